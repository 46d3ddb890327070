"""From stored pages to what a network sees of them in validation and prediction."""

import torch
from torch import Tensor
from torch.nn import functional as F

INFERENCE_BATCH = 128  # pages
CPU_BATCH = 16  # on a CPU, where more activations than the cache holds make every layer wait for memory


def inference_batch(device: torch.device) -> int:
    """Pages at once that are fastest on a device."""
    return CPU_BATCH if device.type == "cpu" else INFERENCE_BATCH


def to_float(pages: Tensor) -> Tensor:
    """Stored pages (B, S, S, 3) uint8 -> (B, 3, S, S) float in [0, 1]."""
    return pages.permute(0, 3, 1, 2).contiguous().float().mul_(1 / 255)


def upright(pages: Tensor, size: int) -> Tensor:
    """Stored pages (B, S, S, 3) uint8 -> (B, 3, size, size) in [0, 1], without augmentation."""
    return F.interpolate(to_float(pages), size=(size, size), mode="bilinear", antialias=True)
