"""Check every object on a remote against dvc.lock: whole, and what its name says.

    python -m reprise.tools.audit              # the default remote
    python -m reprise.tools.audit --delete     # and delete what is damaged, so that the next `dvc push` sends it again

`dvc status --cloud` asks whether objects are there, and takes a directory's word for its files; this reads all of them
and computes their MD5. Prints a line for each object that is missing or damaged; the exit code is 1 if there is one.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reprise.core.errors import InputError

BLOCK = 2**20  # bytes read at once


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check every object on a remote against dvc.lock.")
    parser.add_argument("--remote", help="name of the remote (the default one)")
    parser.add_argument("--jobs", type=int, default=4 * (os.cpu_count() or 1), help="objects read side by side")
    parser.add_argument("--delete", action="store_true", help="delete what is damaged")
    arguments = parser.parse_args()
    try:
        return audit(arguments.remote, arguments.jobs, arguments.delete)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1


def audit(remote: str | None, jobs: int, delete: bool) -> int:
    """Check all objects and print what is wrong; returns the exit code.

    Raises:
        InputError: no such remote, or one that cannot be reached.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo() as repo:
        try:
            odb = repo.cloud.get_remote_odb(remote, "audit")
            wanted = {
                str(out.hash_info.value): str(out)
                for out in repo.index.outs
                if out.use_cache and out.hash_info and out.hash_info.name == "md5"
            }
            faults, owners, count = check(odb, wanted, jobs)
        except DvcException as error:
            raise InputError(f"audit: {error}") from None
        except OSError as error:
            raise InputError(f"audit: {remote or 'the default remote'}: {describe(error)}") from None
    for oid, fault in sorted(faults.items(), key=lambda item: wanted.get(item[0], "")):
        print(f"{wanted[oid]}: object {odb.oid_to_path(oid)}: {fault}")
    print(f"{count} objects checked, {len(faults)} missing or damaged")
    if faults and delete:
        remove(odb, faults, owners)
        print("deleted what was damaged; `dvc push` from a machine that has the files sends it again")
    return 1 if faults else 0


def check(odb: Any, wanted: dict[str, str], jobs: int) -> tuple[dict[str, str], dict[str, set[str]], int]:
    """Read the objects, directories first.

    Args:
        odb: the remote's object store.
        wanted: object name -> path in the repository; gains the files of directories.
        jobs: objects read side by side.

    Returns:
        What is wrong, by object; the directories that hold an object; and how many objects were checked.
    """
    faults: dict[str, str] = {}
    owners: dict[str, set[str]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        directories = [oid for oid in wanted if oid.endswith(".dir")]
        for oid, (fault, content) in zip(directories, pool.map(lambda oid: fetch(odb, oid), directories), strict=True):
            if fault is not None:
                faults[oid] = fault
                continue
            for entry in json.loads(content):
                wanted.setdefault(entry["md5"], f"{wanted[oid]}/{entry['relpath']}")
                owners.setdefault(entry["md5"], set()).add(oid)
        files = [oid for oid in wanted if not oid.endswith(".dir")]
        found = pool.map(lambda oid: fetch(odb, oid, keep=False)[0], files)
        faults |= {oid: fault for oid, fault in zip(files, found, strict=True) if fault is not None}
    return faults, owners, len(directories) + len(files)


def fetch(odb: Any, oid: str, keep: bool = True) -> tuple[str | None, bytes]:
    """Read one object; returns what is wrong with it, or None, and its content where that is to be kept."""
    digest, size, kept = hashlib.md5(usedforsecurity=False), 0, bytearray()
    try:
        with odb.fs.open(odb.oid_to_path(oid), "rb", block_size=8 * BLOCK, cache_type="readahead") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
                if keep:
                    kept += block
    except FileNotFoundError:
        return "missing", b""
    if digest.hexdigest() != oid.removesuffix(".dir"):
        return f"damaged: its {size} bytes have the MD5 {digest.hexdigest()}", b""
    return None, bytes(kept)


def remove(odb: Any, faults: Iterable[str], owners: dict[str, set[str]]) -> None:
    """Delete objects and the directories that list them.

    DVC takes the presence of a directory's object for that of its files, and remembers it: both have to go, or the
    next push would find nothing to do.
    """
    from dvc_data.hashfile.db import get_index

    doomed = {oid for fault in faults for oid in (fault, *owners.get(fault, ()))}
    for oid in sorted(doomed):
        path = odb.oid_to_path(oid)
        if odb.fs.exists(path):
            odb.fs.remove(path)
    get_index(odb).clear()


def describe(error: OSError) -> str:
    """An error of a file system in one line."""
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
