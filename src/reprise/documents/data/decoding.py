"""Decode many images at once, in several processes, into one array on the disk."""

import functools
import itertools
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reprise.core.errors import InputError
from reprise.documents.data.folds import perceptual_hash
from reprise.documents.data.images import decode

ERRORS_SHOWN = 5


class Target(NamedTuple):
    """Where in which file an array of pages lies."""

    path: str
    offset: int
    shape: tuple[int, ...]


def decode_all(
    paths: list[Path], array: np.memmap, max_megapixels: float, processes: int
) -> tuple[np.ndarray, dict[str, int]]:
    """Decode images into the rows of an array.

    Args:
        paths: N files.
        array: (N, S, S, 3) uint8 on the disk; the processes write their rows themselves.
        max_megapixels: of one image.
        processes: how many.

    Returns:
        Perceptual hashes (N, 32) uint8, and how many images were unusual in which way.

    Raises:
        InputError: unreadable images; the line names the first few and says how many there are.
    """
    hashes, handled, errors = np.zeros((len(paths), 32), np.uint8), Counter[str](), []
    target = Target(str(array.filename), array.offset, array.shape)
    with ProcessPoolExecutor(processes) as pool:
        arguments = (paths, itertools.count(), itertools.repeat(target), itertools.repeat(max_megapixels))
        for row, result in enumerate(pool.map(decode_one, *arguments, chunksize=16)):
            if isinstance(result, str):
                errors.append(result)
                continue
            hashes[row] = result[0]
            handled.update(result[1])
    if errors:
        more = f" (and {len(errors) - ERRORS_SHOWN} more images)" if len(errors) > ERRORS_SHOWN else ""
        raise InputError("; ".join(errors[:ERRORS_SHOWN]) + more)
    return hashes, dict(sorted(handled.items()))


@functools.lru_cache(maxsize=1)
def open_target(target: Target) -> np.ndarray:
    """Map an array of pages into this process."""
    return np.memmap(target.path, np.uint8, "r+", target.offset, target.shape)


def decode_one(
    path: Path, row: int, target: Target, max_megapixels: float
) -> "str | tuple[np.ndarray, tuple[str, ...]]":
    """Decode an image into its row, and hash it; an error is returned as its line, so that all can be listed."""
    try:
        decoded = decode(path, target.shape[1], max_megapixels)
    except InputError as error:
        return str(error)
    open_target(target)[row] = decoded.pixels
    return perceptual_hash(decoded.pixels), decoded.handled
