"""Models that stay in memory, and are read anew when their files change, as `dvc repro` changes them."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """A value that is made of files when it is first asked for.

    Args:
        make: makes it.
        sources: files, and folders with all that is in them; one that is missing counts as such.
    """

    def __init__(self, make: Callable[[], Value], sources: Sequence[Path]) -> None:
        self.make, self.sources = make, sources
        self._lock = threading.Lock()
        self._made: tuple[object, Value] | None = None

    def get(self) -> Value:
        """The value, made anew where a source has changed since.

        Raises:
            InputError: as `make` does.
        """
        with self._lock:
            now = signature(self.sources)
            if self._made is None or self._made[0] != now:
                self._made = None  # gives the memory back before the next one takes it
                self._made = now, self.make()
            return self._made[1]


def signature(sources: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of change of all files, as DVC itself tells whether a file may have changed."""
    files = [
        file
        for source in sources
        for file in (sorted(source.rglob("*")) if source.is_dir() else [source])
        if file.is_file()
    ]
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
