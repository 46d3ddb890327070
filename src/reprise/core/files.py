"""Files that are whole or absent, and models that carry their own description."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

METADATA_KEY = "reprise"  # one key: safetensors writes several in an order that changes from run to run


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that replaces it when the block ends well, and is removed when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner reads
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # a full disk, which does not say where
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON; NaN and infinity, which are not JSON, are refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None


def write_npy(path: Path, array: "np.ndarray") -> None:
    """Write one array as .npy."""
    import numpy as np

    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@contextlib.contextmanager
def new_npy(path: Path, shape: tuple[int, ...], dtype: str) -> "Iterator[np.memmap]":
    """Give a memory-mapped array to fill row by row; the file appears when the block ends well.

    Its place on the disk is taken at the start: a disk that fills up under a mapped file ends the process unheard.
    """
    import numpy as np

    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.dtype(dtype), shape=shape)
        with temporary.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
        yield array
        array.flush()


def read_npy(path: Path) -> "np.ndarray":
    """Open an array memory-mapped, read-only.

    Raises:
        InputError: the file is missing, is not .npy or is shorter than its header says.
    """
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: not a whole .npy file: {error}") from None


def write_parquet(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as parquet."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)


def read_parquet(path: Path) -> "pd.DataFrame":
    """Read a parquet table.

    Raises:
        InputError: the file is missing or damaged.
    """
    import pandas as pd
    from pyarrow import ArrowInvalid

    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole parquet file: {error}") from None


def hash_bytes(*parts: bytes) -> str:
    """SHA-256 of parts, each with its length, so that no two lists of parts share a digest."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*inputs: Path | str) -> str:
    """Hash the inputs that decide a result: the contents of files and of folders, and strings as they are.

    Raises:
        InputError: a path that is not there.
    """
    parts: list[str] = []
    for value in inputs:
        if isinstance(value, str):
            parts.append(value)
        elif value.is_dir():
            files = sorted(path for path in value.rglob("*") if path.is_file())
            parts += [part for path in files for part in (path.relative_to(value).as_posix(), hash_file(path))]
        elif value.is_file():
            parts.append(hash_file(value))
        else:
            raise InputError(f"{value}: no such file or folder")
    return hash_bytes(*(part.encode() for part in parts))


def save_model(path: Path, tensors: Mapping[str, "torch.Tensor"], metadata: Mapping[str, Any]) -> None:
    """Write weights as safetensors, with readable metadata and a checksum of both.

    Args:
        path: the .safetensors file.
        tensors: name -> tensor, on any device.
        metadata: JSON-serialisable description: recipe, class names and whatever else it takes to use the weights.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(tensors.items())}
    checksum = hash_bytes(hash_tensors(tensors).encode(), _canonical(metadata))
    text = json.dumps({**metadata, "sha256": checksum}, ensure_ascii=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={METADATA_KEY: text}))


def load_model(path: Path) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read what `save_model` wrote.

    Returns:
        The tensors by name, and the metadata.

    Raises:
        InputError: the file is missing, truncated or altered, or was not written by `save_model`.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: no such file; run `dvc repro`, or `dvc pull` where a remote holds it")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
        metadata = json.loads(text) if text is not None else None
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file: {error}") from None
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: no `{METADATA_KEY}` metadata: not a model written by this project")
    if metadata.pop("sha256", None) != hash_bytes(hash_tensors(tensors).encode(), _canonical(metadata)):
        raise InputError(f"{path}: weights and description do not match their checksum: the file is damaged")
    return tensors, metadata


def write_checked_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object that belongs to a model, with a checksum of itself."""
    write_json(path, {**value, "sha256": hash_bytes(_canonical(value))})


def read_checked_json(path: Path) -> dict[str, Any]:
    """Read what `write_checked_json` wrote.

    Raises:
        InputError: the file is missing or was altered.
    """
    value = read_json(path)
    checksum = value.pop("sha256", None) if isinstance(value, dict) else None
    if checksum is None or checksum != hash_bytes(_canonical(value)):
        raise InputError(f"{path}: does not match its checksum: the file is damaged")
    return dict(value)


def _canonical(value: Mapping[str, Any]) -> bytes:
    """One text for equal JSON values."""
    return json.dumps(json.loads(json.dumps(value)), sort_keys=True).encode()


def hash_tensors(tensors: Mapping[str, "torch.Tensor"]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    import torch

    parts: list[bytes] = []
    for name, tensor in sorted(tensors.items()):
        raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)  # bytes, for bfloat16 too
        parts += [f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), raw.numpy().tobytes()]
    return hash_bytes(*parts)
