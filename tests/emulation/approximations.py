"""Which approximate instructions a process executes: x86's reciprocals and reciprocal roots of 12 bits.

AMD and Intel round RCPPS, RSQRTPS and their kin differently, and QEMU computes them exactly. Libraries refine what they
give, so that few results show the difference, or none of a test's: bytes that are equal prove little here. QEMU lists
the instructions of every piece of code before it is first executed (`-d in_asm`); this module reads the list as it is
written.
"""

import os
import re
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Self

PIPE = "REPRISE_INSTRUCTIONS"  # environment variable: the pipe that QEMU writes to
_LINE = re.compile(rb"^== (?P<mark>.*)$|^0x.*\b(?P<name>v?r(?:cp|sqrt)[ps]s)\b", re.MULTILINE)


class Instructions:
    """The list of instructions of one emulated process: a context around it.

    `found` holds, afterwards, how many approximate instructions were first executed after each mark, as
    "mark: rcpps". Code that two parts share is listed in the first of them alone.
    """

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "instructions"
        os.mkfifo(self.path)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._reader.is_alive():  # also where no process ever opened the pipe: opened for a moment, it ends
            os.close(os.open(self.path, os.O_RDWR))
        self._reader.join()
        self._folder.cleanup()

    def options(self) -> list[str]:
        """QEMU's options."""
        return ["-d", "in_asm", "-D", str(self.path)]

    def _read(self) -> None:
        mark, rest = "start", b""
        with self.path.open("rb") as pipe:
            while chunk := pipe.read(2**20):
                lines, end, rest = (rest + chunk).rpartition(b"\n")
                for match in _LINE.finditer(lines + end):
                    if match["mark"] is not None:
                        mark = match["mark"].decode()
                    else:
                        self.found[f"{mark}: {match['name'].decode()}"] += 1


def mark(name: str) -> None:
    """Say, in the emulated process, what it does next; nothing elsewhere."""
    if path := os.environ.get(PIPE):
        with Path(path).open("a", encoding="utf-8") as pipe:
            pipe.write(f"== {name}\n")
