"""What tests of whole stages ask of the files that a folder holds after a run."""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def digests(*folders: str) -> dict[str, str]:
    """Hashes of all files but timings."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if "timing" not in path.parts}


def read(path: str) -> Any:
    """A JSON file's value."""
    return json.loads(Path(path).read_text())


def kill_at_batch(learner: type, number: int) -> None:
    """Make this process kill itself at the end of a training's batch, counted from 0 over all epochs."""
    steps = iter(range(10_000))

    def die(self: Any, *arguments: Any) -> None:
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(learner, "on_train_batch_end", die)  # noqa: B010 -- mypy knows the original's signature


def in_process(target: Callable[..., None], *arguments: Any, preload: list[str]) -> int:
    """Run a function in a process of its own, and return its exit code (-9 where it was killed).

    Args:
        target: of a module's top level.
        arguments: of it.
        preload: modules that are imported once for all such processes.
    """
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join()
    code: int = process.exitcode
    return code
