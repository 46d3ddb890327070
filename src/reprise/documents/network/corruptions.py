"""The fixed set of corrupted copies on which robustness is measured.

Each page is damaged in each way alone, by an amount drawn from the ranges of damage.py, and then in all ways together,
as by a careless scan. What a page gets depends on the seed, the kind, and the place and number of the pages in its
block: one page more changes the damage of all.
"""

import numpy as np
import torch
from torch import Tensor

from reprise.core.seed import derive_seed
from reprise.documents.network import damage
from reprise.documents.network.pages import to_float
from reprise.documents.network.views import turn_each

KINDS = ("turned", "rotated", "blurred", "toned", "noisy", "compressed")  # in the order in which they come together
ALL = "all"
BLOCK = 512  # pages that are corrupted at once


def corrupt_block(pages: Tensor, kind: str, seed: int, first_row: int) -> Tensor:
    """Corrupt consecutive stored pages.

    Args:
        pages: (B, S, S, 3) uint8.
        kind: one of KINDS, or `all`.
        seed: of the set.
        first_row: row of the first page: blocks always start at the same rows.

    Returns:
        (B, S, S, 3) uint8.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "corruption", kind, first_row))
    images = to_float(pages)
    for each in KINDS if kind == ALL else (kind,):
        images = _corrupt(images, each, generator)
    return (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def corrupt(pages: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Corrupt stored pages (N, S, S, 3) uint8 block by block, which keeps their floats within memory."""
    starts = range(0, len(pages), BLOCK)
    blocks = [corrupt_block(torch.from_numpy(pages[start : start + BLOCK]), kind, seed, start) for start in starts]
    return torch.cat(blocks).numpy() if blocks else pages


def _corrupt(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    count = len(images)
    if kind == "turned":
        return turn_each(images, torch.randint(8, (count,), generator=generator))
    if kind == "rotated":
        return damage.rotate(images, damage.uniform(count, -damage.ROTATION, damage.ROTATION, generator))
    if kind == "blurred":
        return damage.blur(images, damage.uniform(count, *damage.BLUR, generator))
    if kind == "toned":
        images = damage.change_contrast(images, damage.uniform(count, *damage.CONTRAST, generator))
        return damage.change_brightness(images, damage.uniform(count, *damage.BRIGHTNESS, generator))
    if kind == "noisy":
        return damage.add_noise(images, damage.uniform(count, *damage.NOISE, generator), generator)
    if kind == "compressed":
        return damage.compress(images, damage.uniform(count, *damage.QUALITY, generator))
    raise ValueError(f"no corruption {kind!r}")
