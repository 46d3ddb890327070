"""Read every object on a remote that dvc.lock names, and compare its checksum with its name.

    reprise audit              # the default remote
    reprise audit --delete     # and delete damaged objects, so that the next `dvc push` sends them again

`dvc status --cloud` only asks whether objects exist, and for a folder only whether its list exists. This command reads
them all and computes their MD5. It prints a line for each object that is missing or damaged, and then exits with 1.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.text import for_terminal
from reprise.tools.repository import dvc_environment

JOBS = 4 * (os.cpu_count() or 1)
BLOCK = 2**20  # bytes read at once


def main(
    remote: Annotated[str | None, typer.Option(help="Name of the remote; the default one if not given.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Objects to read side by side.")] = JOBS,
    delete: Annotated[bool, typer.Option("--delete", help="Delete damaged objects.")] = False,
) -> None:
    """Read every object on a remote that dvc.lock names, and compare its checksum with its name.

    The exit code is 1 if an object is missing or damaged, or if the remote does not exist or cannot be reached.
    """
    from botocore.exceptions import BotoCoreError
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    os.environ.update(dvc_environment())  # the site cache is private
    try:
        with Repo() as repo:
            faults = audit(repo, remote, jobs, delete)
    except DvcException as error:
        raise InputError(f"audit: {error}") from None
    except (OSError, BotoCoreError) as error:
        raise InputError(f"audit: {remote or 'the default remote'}: {describe(error)}") from None
    if faults:
        raise typer.Exit(1)


def audit(repo: Any, remote: str | None, jobs: int, delete: bool) -> int:
    """Check a repository's objects on a remote, and print what is wrong; returns the number of faults.

    Raises:
        InputError: no remote is named, and none is the default.
    """
    if remote is None and not repo.config["core"].get("remote"):
        raise InputError("no remote is set; `make remote URL=s3://bucket/path` sets one")
    odb = repo.cloud.get_remote_odb(remote, "audit")
    wanted = {
        str(out.hash_info.value): str(out)
        for out in repo.index.outs
        if out.use_cache and out.hash_info and out.hash_info.name == "md5"
    }
    faults, owners, count = check(odb, wanted, jobs)
    for oid, fault in sorted(faults.items(), key=lambda item: wanted.get(item[0], "")):
        typer.echo(for_terminal(f"{wanted[oid]}: object {odb.oid_to_path(oid)}: {fault}"))
    typer.echo(f"{count} objects checked, {len(faults)} missing or damaged")
    if faults and delete:
        remove(odb, faults, owners)
        typer.echo("damaged objects deleted; `dvc push` from a machine that has the files sends them again")
    return len(faults)


def check(odb: Any, wanted: dict[str, str], jobs: int) -> tuple[dict[str, str], dict[str, set[str]], int]:
    """Read the objects, directories first.

    Args:
        odb: the remote's object store.
        wanted: object name -> path in the repository; gains the files of directories.
        jobs: objects read side by side.

    Returns:
        What is wrong, by object; the directories that list each object; and how many objects were read.
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
    """Read one object; returns what is wrong with it (None: nothing), and its content if `keep`."""
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

    DVC takes a directory's object as a sign that all of its files are there, and remembers that: unless both go, the
    next push finds nothing to do.
    """
    from dvc_data.hashfile.db import get_index

    condemned = {oid for fault in faults for oid in (fault, *owners.get(fault, ()))}
    for oid in sorted(condemned):
        path = odb.oid_to_path(oid)
        if odb.fs.exists(path):
            odb.fs.remove(path)
    get_index(odb).clear()


def describe(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    run_command(main)
