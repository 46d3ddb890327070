"""A folder that is written whole or not at all, and that replaces nothing but an earlier export."""

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.models import read_checked_json, write_checked_json
from reprise.core.params import Params, parse_params

MANIFEST = "export.json"
OTHERS_SHOWN = 3


class Manifest(Params):
    """export.json: what the folder is, and the checksum of every other file in it."""

    format: Literal["reprise-export"]
    task: Literal["taxonomy", "documents", "deepfake"]
    referenced: dict[str, str]  # weights that are not in the folder: what they are -> their name
    files: dict[str, str]  # place in the folder -> SHA-256


def files_in(folder: Path) -> list[str]:
    """Places of all files in a folder and its subfolders, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def write_manifest(folder: Path, task: str, referenced: dict[str, str]) -> None:
    """Write export.json; the folder's last file."""
    files = {name: hash_file(folder / name) for name in files_in(folder)}
    manifest = {"format": "reprise-export", "task": task, "referenced": referenced, "files": files}
    write_checked_json(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> Manifest:
    """Read export.json.

    Raises:
        InputError: missing or damaged.
    """
    path = folder / MANIFEST
    return parse_params(read_checked_json(path), Manifest, str(path))


def refuse_other(folder: Path, force: bool) -> None:
    """Check that a folder may be replaced.

    Raises:
        InputError: it holds the working folder, or something else than an earlier export and nothing beside it.
    """
    if Path.cwd().resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: the working folder is in it; name a folder that can be replaced")
    if not folder.exists() or force:
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: a file; expected the name of a folder")
    found = files_in(folder)
    if not found:
        return
    try:
        known = {*read_manifest(folder).files, MANIFEST}
    except InputError:
        raise InputError(f"{folder}: not empty, and no earlier export; --force replaces it") from None
    if others := [name for name in found if name not in known]:
        shown = ", ".join(others[:OTHERS_SHOWN])
        raise InputError(f"{folder}: holds files that are not of an export: {shown}; --force deletes them")


@contextlib.contextmanager
def new_folder(folder: Path, force: bool) -> Iterator[Path]:
    """Give a temporary folder beside a folder, which takes its place when the block ends well.

    What a killed process left of an earlier try is removed first.

    Raises:
        InputError: as `refuse_other`, or the folder cannot be made.
    """
    folder = folder.resolve() if folder.is_symlink() else folder.absolute()
    refuse_other(folder, force)
    mine = f".{folder.name}.{platform.node()}."
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in folder.parent.iterdir():
            pid = leftover.name.removeprefix(mine).partition(".")[0]
            if leftover.name.startswith(mine) and pid.isdigit() and not Path("/proc", pid).exists():
                shutil.rmtree(leftover, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{mine}{os.getpid()}.", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}") from None
    old = temporary.with_name(f"{temporary.name}.old")
    try:
        new = temporary / "new"  # mkdtemp's own folder is open to its owner alone
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)
