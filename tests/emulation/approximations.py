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
END = "end"  # the mark after all work
_LINE = re.compile(rb"^== (?P<mark>.*)$|^0x.*\b(?P<name>v?r(?:cp|sqrt)[ps]s)\b|^0x.*(?P<known>\bret)q?\b", re.MULTILINE)


class Instructions:
    """The list of instructions of one emulated process: a context around it.

    `found` holds, afterwards, how many approximate instructions were first executed after each mark, as
    "mark: rcpps". Code that two parts share is listed in the first of them alone. Leaving the context raises
    RuntimeError where the list was not in words or the last mark was not END: nothing found would prove nothing.
    """

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self._mark, self._readable = "start", False
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "instructions"
        os.mkfifo(self.path)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._writer = os.open(self.path, os.O_RDWR)  # until it is closed, the reader waits for more
        self._pipe = self.path.open("rb")
        self._reader.start()
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        os.close(self._writer)
        self._reader.join()
        self._folder.cleanup()
        if kind is None and not (self._readable and self._mark == END):
            raise RuntimeError("QEMU's list of instructions cannot be read, or ends early: nothing is known of it")

    def options(self) -> list[str]:
        """QEMU's options."""
        return ["-d", "in_asm", "-D", str(self.path)]

    def _read(self) -> None:
        rest = b""
        with self._pipe as pipe:
            while chunk := pipe.read(2**20):
                lines, end, rest = (rest + chunk).rpartition(b"\n")
                for match in _LINE.finditer(lines + end):
                    if match["mark"] is not None:
                        self._mark = match["mark"].decode()
                    elif match["name"] is not None:
                        self.found[f"{self._mark}: {match['name'].decode()}"] += 1
                    else:  # an instruction that every function ends with: the list is in words
                        self._readable = True


def mark(name: str) -> None:
    """Say, in the emulated process, what it does next; nothing elsewhere."""
    if path := os.environ.get(PIPE):
        with Path(path).open("a", encoding="utf-8") as pipe:
            pipe.write(f"== {name}\n")
