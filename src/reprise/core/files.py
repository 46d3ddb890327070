"""Files that are whole or absent, read with the type they were written with."""

import contextlib
import hashlib
import json
import os
import platform
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


ENDLESS_DEVICES = ("zero", "full", "random", "urandom")
SHOWN_BYTES = 100  # of a name; file systems take 255 with what a temporary name adds


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that replaces it when the block ends well, and is removed when not.

    What a killed process left of an earlier try is removed first, so that `dvc commit` does not record it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    prefix = f"{_temporary_prefix(path)}{os.getpid()}."
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix[-SHOWN_BYTES:], dir=path.parent)
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


def _temporary_prefix(path: Path) -> str:
    """Start of the names of this machine's temporary files for a path; a long name, which leaves no room, is hashed."""
    name = path.name
    if len(os.fsencode(name)) > SHOWN_BYTES:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}.{platform.node()}."


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of processes of this machine that are no more."""
    mine = _temporary_prefix(path)
    for leftover in path.parent.iterdir():
        if leftover.name.startswith(mine):
            pid = leftover.name.removeprefix(mine).partition(".")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():
                leftover.unlink(missing_ok=True)


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
    refuse_device(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: not valid JSON: nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def write_npy(path: Path, array: "np.ndarray") -> None:
    """Write one array as .npy."""
    import numpy as np

    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


@contextlib.contextmanager
def new_npy(path: Path, shape: tuple[int, ...], dtype: str) -> "Iterator[np.memmap]":
    """Give a memory-mapped array to fill row by row; the file appears when the block ends well.

    Its place on the disk is taken at the start: where the disk fills up under a mapped file, the system kills the
    process without a message.
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


def refuse_device(path: Path) -> None:
    """Refuse a device, which may never end; a pipe and a terminal end, and what is not there is the reader's to say.

    Raises:
        InputError: the path is a device.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and path.resolve().name in ENDLESS_DEVICES):
        raise InputError(f"{path}: a device; expected a file")


def refuse_linked_folders(folder: str | Path, names: Iterable[str]) -> None:
    """Refuse links to folders among the folders in a folder; links to files are DVC's, too, and stay what they are.

    To leave them out would drop what lies below without a word. To follow them could list a file twice, under two
    names that may fall on both sides of a split, and never ends where one leads to a folder above it.

    Raises:
        InputError: names the first.
    """
    for name in sorted(names):
        path = os.path.join(folder, name)  # noqa: PTH118 -- of folders of many, as strings
        if os.path.islink(path):  # noqa: PTH114
            raise InputError(f"{path}: a link to a folder, which is not followed; put the folder itself there")


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
