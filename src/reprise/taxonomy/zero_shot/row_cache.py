"""Rows computed from texts, kept on disk chunk by chunk, so that no text is embedded or scored twice.

The cache holds whole chunks in the order of the corpus, keyed by their texts and by what else decides the rows. It does
not hold single rows: in another batch a row's last bits differ, and the same corpus must give the same bytes with a
cache and without. A killed stage goes on after its last whole chunk, and several processes share the chunks.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reprise.core.files import hash_bytes, read_npy, write_npy
from reprise.core.processes import rank, wait_for_all, world_size

logger = logging.getLogger("reprise")

CACHE_FOLDER = Path(".cache")


def cached_rows(
    kind: str,
    settings: str,
    texts: Sequence[str],
    width: int,
    compute: Callable[[list[str]], np.ndarray],
    *,
    chunk: int,
    label: str,
) -> np.ndarray:
    """Compute one row for each text, or read it from the cache.

    Args:
        kind: names the cache's folder, and the work in the progress bar.
        settings: what decides the rows beside the texts.
        texts: N texts.
        width: D, the length of a row.
        compute: n texts -> (n, D), for n up to `chunk`.
        chunk: texts that are computed and stored together.
        label: what the log and the progress bar call these texts.

    Returns:
        (N, D) float32.
    """
    from tqdm import tqdm

    folder = CACHE_FOLDER / kind / hash_bytes(settings.encode())[:16]
    parts = [list(texts[start : start + chunk]) for start in range(0, len(texts), chunk)]
    paths = [folder / f"{hash_bytes(*(text.encode() for text in part))}.npy" for part in parts]
    found = sum(len(part) for part, path in zip(parts, paths, strict=True) if path.exists())
    with tqdm(total=len(texts), desc=f"{kind} {label}", unit="text", disable=None if rank() == 0 else True) as progress:
        for number, (part, path) in enumerate(zip(parts, paths, strict=True)):
            if number % world_size() == rank() % world_size() and not path.exists():
                write_npy(path, compute(part).astype(np.float32, copy=False))
            progress.update(len(part))
    wait_for_all()
    rows = np.empty((len(texts), width), dtype=np.float32)
    for number, path in enumerate(paths):
        rows[number * chunk : (number + 1) * chunk] = read_npy(path)
    logger.info("%s of %d %s texts, %d of them from the cache", kind, len(texts), label, found)
    return rows
