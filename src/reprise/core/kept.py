"""Arrays that are computed once and kept on disk, each beside a checksum: a damaged one is computed again."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from reprise.core.files import hash_file, read_npy, write_npy, write_text

logger = logging.getLogger("reprise")


def kept_array(path: Path, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what an earlier call computed for this path, mapped from the disk, or compute and keep it.

    Args:
        path: of an .npy file; its name tells apart whatever decides the array. The checksum is `<name>.sha256`.
        compute: gives the array.
    """
    checksum = path.with_suffix(".sha256")
    if not _is_whole(path, checksum):
        write_npy(path, compute())
        write_text(checksum, hash_file(path))
    return read_npy(path)


def _is_whole(path: Path, checksum: Path) -> bool:
    if not (path.is_file() and checksum.is_file()):
        return False
    if checksum.read_bytes() == hash_file(path).encode():
        return True
    logger.warning("%s: a damaged cache entry; it is computed again", path)
    return False
