"""The files that a source consists of: one file, a folder of files of rows, or a folder whose files are the rows."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from reprise.bulk.shards import Shard, lines_of
from reprise.bulk.storage import Place
from reprise.core.errors import InputError

LISTING = "_files.jsonl"  # in the target: names that start with _ are passed over by those who read parquet folders

COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip")  # cannot be read in ranges


def row_files(source: Place, extensions: Sequence[str]) -> list[str]:
    """Names of the files of rows in a source, by name; an empty one where it is a file itself.

    Raises:
        InputError: no such source, no file in it, or one of another kind.
    """
    if not source.is_folder():
        if not source.exists():
            raise InputError(f"{source.address}: no such file or folder")
        if source.address.lower().endswith(COMPRESSED):
            raise InputError(f"{source.address}: compressed; decompress it, or write it as parquet")
        return [""]
    names = [f"{folder}/{name}" if folder else name for folder, names in source.walk() for name in names]
    names = sorted(name for name in names if not _hidden(name))
    if not names:
        raise InputError(f"{source.address}: no file in it; expected {', '.join(extensions)}")
    for name in names:
        if PurePosixPath(name).suffix.lower() not in extensions:
            raise InputError(f"{source.path(name)}: expected files that end in {', '.join(extensions)}")
    return names


def _hidden(name: str) -> bool:
    """What other programs put beside the data, such as _SUCCESS."""
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def write_listing(source: Place, extensions: Sequence[str], target: Place) -> None:
    """Write the names of a folder's files, a JSON string a line, to the target.

    So they are rows like any others, whatever their number, and stay those of the first run when files are added.

    Raises:
        InputError: no such folder, or no file of these kinds in it.
    """
    if not source.is_folder():
        raise InputError(f"{source.address}: no such folder; expected one with {', '.join(extensions)}")
    names = _names(source, extensions)
    if (first := next(names, None)) is None:
        raise InputError(f"{source.address}: no file in it that ends in {', '.join(extensions)}")
    target.write_lines(LISTING, itertools.chain([first], names))


def _names(source: Place, extensions: Sequence[str]) -> Iterator[bytes]:
    for folder, names in source.walk():
        for name in names:
            if PurePosixPath(name).suffix.lower() in extensions:
                yield json.dumps(f"{folder}/{name}" if folder else name).encode()


def names_of(shard: Shard, content: bytes) -> list[str]:
    """The names in a shard of a listing."""
    return [json.loads(line or b"") for line in lines_of(shard, content)]
