"""Files on a disk or in an object store, read in ranges and written whole.

An address is a path, or a URL such as s3://bucket/reviews. fsspec opens URLs; S3 takes its keys and its endpoint from
the variables that every tool for S3 reads (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...).
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any

from reprise.core.errors import InputError
from reprise.core.files import atomic_path, refuse_linked_folders

CONNECTIONS = 16  # to an object store, of one process
PROTOCOLS = ("s3",)  # what the environment can open


class Place:
    """A file, or a folder with all below it. It can be pickled, and is opened anew where it arrives.

    Args:
        address: a path or a URL; a path is made absolute, since a worker may have another working folder.

    Raises:
        InputError: an address of another kind.
    """

    def __init__(self, address: str) -> None:
        protocol, _, rest = address.partition("://")
        if rest and protocol not in PROTOCOLS:
            raise InputError(f"{address}: expected a path, or an address that starts with s3://")
        self.remote = bool(rest)
        self.address = address.rstrip("/") if self.remote else os.path.abspath(address)  # noqa: PTH100 -- keeps `..` out

    def __reduce__(self) -> tuple[type["Place"], tuple[str]]:
        return Place, (self.address,)

    @cached_property
    def _files(self) -> Any:
        import fsspec

        protocol = self.address.partition("://")[0] if self.remote else "file"
        # A kept listing would hide what others wrote since, and grow with the source.
        return fsspec.filesystem(protocol, **({"use_listings_cache": False} if protocol == "s3" else {}))

    def path(self, name: str = "") -> str:
        """The address of a file in this folder; of the place itself without a name."""
        return f"{self.address}/{name}" if name else self.address

    def is_folder(self) -> bool:
        with self._explained():
            return bool(self._files.isdir(self.address))

    def refuse_missing_folder(self) -> None:
        """Refuse to work where the folder is not: every file of it would be one that is missing.

        Raises:
            InputError: no such folder on the machine that this runs on.
        """
        if not self.is_folder():
            raise InputError(f"{self.address}: no such folder on this machine; all machines need it at the same place")

    def exists(self, name: str = "") -> bool:
        with self._explained():
            return bool(self._files.exists(self.path(name)))

    def version(self, name: str = "") -> str:
        """What tells whether a file was changed: its bytes, with the store's checksum or else the time of the change.

        Raises:
            InputError: no such file.
        """
        with self._explained(name):
            info = self._files.info(self.path(name))
        return f"{info['size']} bytes, {info.get('ETag') or info.get('LastModified') or info.get('mtime')}"

    def open(self, name: str = "") -> IO[bytes]:
        """Open a file to read; parts of it are fetched as they are asked for.

        Raises:
            InputError: no such file.
        """
        with self._explained(name):
            return self._files.open(self.path(name), "rb")

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Read bytes start ... stop of a file.

        Raises:
            InputError: no such file, or a shorter one.
        """
        with self._explained(name):
            content = bytes(self._files.cat_file(self.path(name), start=start, end=stop))
        if len(content) != stop - start:
            raise InputError(f"{self.path(name)}: shorter than when the run began")
        return content

    def names(self) -> set[str]:
        """Names of the files right in this folder; none where there is no folder."""
        with self._explained():
            try:
                found = self._files.ls(self.address, detail=False)
            except FileNotFoundError:
                return set()
        return {PurePosixPath(path).name for path in found}

    def walk(self) -> Iterator[tuple[str, list[str]]]:
        """Give each folder below, and itself, with the names of its files, one folder at a time, by name.

        Yields:
            The folder relative to this one, empty for itself; its files' names.

        Raises:
            InputError: a folder cannot be listed, or is a link.
        """
        if not self.remote:
            for folder, folders, names in os.walk(self.address, onerror=_refuse):
                refuse_linked_folders(folder, folders)
                folders.sort()
                relative = os.path.relpath(folder, self.address)
                yield "" if relative == "." else relative, sorted(names)
            return
        root = self._files._strip_protocol(self.address)
        with self._explained():
            for folder, _, names in self._files.walk(self.address):
                yield folder.removeprefix(root).strip("/"), sorted(name for name in names if name)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all: under another name that is changed, or in one request."""
        if self.remote:
            with self._explained(name):
                self._files.pipe_file(self.path(name), content)
            return
        with atomic_path(Path(self.path(name))) as temporary:
            temporary.write_bytes(content)

    def write_lines(self, name: str, lines: Iterator[bytes]) -> None:
        """Write a file line by line, whole or not at all, without holding it in memory."""
        with tempfile.TemporaryDirectory() if self.remote else contextlib.nullcontext() as folder:
            path = Path(folder, "lines") if folder else Path(self.path(name))
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                file.writelines(line + b"\n" for line in lines)
            if self.remote:
                with self._explained(name):
                    self._files.put_file(str(path), self.path(name))

    @contextlib.contextmanager
    def local_copies(self, names: Sequence[str]) -> Iterator[list[Path]]:
        """Give paths of files for the length of the block; those of an object store are fetched, side by side.

        A path has nothing behind it where the file is not there.
        """
        if not self.remote:
            yield [Path(self.address, name) for name in names]
            return
        with tempfile.TemporaryDirectory(prefix="reprise-") as folder, ThreadPoolExecutor(CONNECTIONS) as threads:
            paths = [Path(folder, f"{number}{PurePosixPath(name).suffix}") for number, name in enumerate(names)]
            list(threads.map(self._fetch, names, paths))
            yield paths

    def _fetch(self, name: str, path: Path) -> None:
        with self._explained(name), contextlib.suppress(FileNotFoundError):
            self._files.get_file(self.path(name), str(path))

    @contextlib.contextmanager
    def _explained(self, name: str = "") -> Iterator[None]:
        """Make one line of what a store answers; the libraries have errors of their own beside OSError.

        Raises:
            InputError: names the address.
        """
        try:
            yield
        except FileNotFoundError:
            raise InputError(f"{self.path(name)}: no such file or folder") from None
        except OSError as error:
            raise InputError(f"{self.path(name)}: {error.strerror or error}") from None
        except Exception as error:
            if not type(error).__module__.startswith(("botocore", "aiobotocore", "aiohttp")):
                raise
            raise InputError(f"{self.path(name)}: {error}") from None


def _refuse(error: OSError) -> None:
    """What cannot be listed is not passed over."""
    raise InputError(f"{error.filename}: {error.strerror}")
