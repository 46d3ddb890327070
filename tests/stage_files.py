"""What tests of whole stages ask of the files that a folder holds after a run."""

import hashlib
import json
import os
import signal
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
