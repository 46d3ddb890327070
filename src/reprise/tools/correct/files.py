"""Files of a person's answers: changed one answer at a time, whole or not at all."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from reprise.core.errors import InputError


@contextlib.contextmanager
def change_answers(folder: Path, generated: Path) -> Iterator[None]:
    """Keep other processes from changing the answers of a folder during the block.

    Args:
        folder: of data and answers.
        generated: the task's generated sample, which its stage deletes and writes anew, answers and all.

    Raises:
        InputError: no such folder, or it lies in the generated one.
    """
    if folder.resolve().is_relative_to(generated.resolve()):
        raise InputError(
            f"{folder}: a stage generates this folder, and would delete your answer; answer in a copy of {generated}"
        )
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no such folder") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # a write replaces the file, so that the folder is what can be locked
        yield
    finally:
        os.close(handle)
