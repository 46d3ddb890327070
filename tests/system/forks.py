"""Stages and commands as forks of one process that has imported their libraries, which takes longer than they do.

Each is a process of its own, which imports this project's modules itself, and can be killed like any other.
"""

import os
import runpy
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.processes import fork_context


class Fork:
    """A started program, with the part of `subprocess.Popen` that tests use; its output is kept.

    Args:
        words: a module or the path of a script, then its arguments.
        folder: where it runs.
        environment: its variables.
    """

    def __init__(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        context = fork_context()
        receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=execute, args=(list(words), str(folder), dict(environment), sender))
        self._process.start()
        sender.close()
        self.stdout = os.fdopen(os.dup(receiver.fileno()), encoding="utf-8", errors="replace")
        receiver.close()

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal's number; None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float = 600) -> tuple[str, None]:
        """Wait for the end, and return what it has printed since it was last asked; killed after `timeout` seconds."""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        output = self.stdout.read()
        self._process.join()
        timer.cancel()
        self.stdout.close()
        return output, None


def execute(words: list[str], folder: str, environment: dict[str, str], output: Any) -> None:
    """In the fork: become what `python` or `python -m` would have started."""
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    for name in [name for name in sys.modules if name.partition(".")[0] == "reprise"]:
        del sys.modules[name]  # what `libraries` took of it: the project is the one of the folder
    if words[0].endswith(".py"):
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")
    else:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
