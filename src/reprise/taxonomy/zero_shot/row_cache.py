"""Rows computed from texts, kept on disk chunk by chunk, so that no text is embedded or scored twice.

The cache holds whole chunks in the order of the corpus, keyed by their texts and by what else decides the rows. It does
not hold single rows: in another batch a row's last bits differ, and the same corpus must give the same bytes with a
cache and without. A killed stage goes on after its last whole chunk, and several processes share the chunks.

An entry carries a checksum of its key, shape and rows. One that does not match is computed again.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reprise.core import kernels
from reprise.core.errors import InputError
from reprise.core.files import atomic_path, hash_bytes
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

    folder = CACHE_FOLDER / kind / hash_bytes(settings.encode(), kernels.chosen().encode())[:16]
    rows, from_cache = np.empty((len(texts), width), dtype=np.float32), 0
    starts = range(0, len(texts), chunk)
    parts = [list(texts[start : start + chunk]) for start in starts]
    paths = [folder / f"{hash_bytes(*(text.encode() for text in part))}.safetensors" for part in parts]
    mine = [number % world_size() == rank() % world_size() for number in range(len(parts))]
    with tqdm(total=len(texts), desc=f"{kind} {label}", unit="text", disable=None if rank() == 0 else True) as progress:
        for start, part, path, own in zip(starts, parts, paths, mine, strict=True):
            if own:
                found = read_entry(path, (len(part), width))
                from_cache += 0 if found is None else len(part)
                if found is None:
                    found = compute(part).astype(np.float32, copy=False)
                    write_entry(path, found)
                rows[start : start + chunk] = found
            progress.update(len(part))
    wait_for_all()
    for start, part, path, own in zip(starts, parts, paths, mine, strict=True):
        if not own:
            shared = read_entry(path, (len(part), width))
            if shared is None:
                raise InputError(f"{path}: another process has not written it; do the machines share this folder?")
            rows[start : start + chunk] = shared
    logger.info("%s of %d %s texts, %d of them from the cache", kind, len(texts), label, from_cache)
    return rows


def write_entry(path: Path, rows: np.ndarray) -> None:
    """Write rows (n, D) float32 with their checksum."""
    from safetensors.numpy import save

    content = save({"rows": np.ascontiguousarray(rows)}, metadata={"sha256": _checksum(path, rows)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_entry(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Read what `write_entry` wrote; None, with a line in the log, where it is damaged or of another shape."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="np") as file:
            rows, checksum = file.get_tensor("rows"), (file.metadata() or {}).get("sha256")
    except (SafetensorError, OSError, ValueError, TypeError):
        rows, checksum = np.empty(0), None
    if rows.shape == shape and rows.dtype == np.float32 and checksum == _checksum(path, rows):
        return np.asarray(rows)
    logger.warning("%s: a damaged cache entry; its texts are computed again", path)
    return None


def _checksum(path: Path, rows: np.ndarray) -> str:
    """Checksum of the entry's key, which its name is, and of its rows."""
    return hash_bytes(path.name.encode(), str(rows.shape).encode(), np.ascontiguousarray(rows).tobytes())
