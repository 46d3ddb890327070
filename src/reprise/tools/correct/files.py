"""Files of a person's answers: changed one answer at a time, whole or not at all."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.files import write_text

WITHDRAW = "withdraw"  # in place of an answer: the earlier one goes


@contextlib.contextmanager
def change_answers(folder: Path, generated: Path) -> Iterator[None]:
    """Lock the answers of a folder against other processes for the length of the block.

    Args:
        folder: of data and answers.
        generated: the task's generated sample, which its stage deletes and writes anew, answers and all.

    Raises:
        InputError: no such folder, or it lies in the generated one.
    """
    refuse_generated(folder, generated)
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no such folder") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # a write replaces the file, so that the folder is what can be locked
        yield
    finally:
        os.close(handle)


def refuse_generated(folder: Path, generated: Path) -> None:
    """Refuse to put answers where a stage would delete them.

    Raises:
        InputError: the folder lies in the generated one; the line has the command that copies it.
    """
    if folder.resolve().is_relative_to(generated.resolve()):
        copy = generated.with_name("mine")
        answers = copy / folder.resolve().relative_to(generated.resolve())
        raise InputError(
            f"{folder}: a stage generates this folder, and would delete your answer; `cp -r {generated} {copy}`, "
            f"and name {answers} with --data, or as {generated.parent.name}.data in params.yaml"
        )


def write_answers(path: Path, text: str) -> None:
    """Write a file of answers whole; without an answer there is no file."""
    if text:
        write_text(path, text)
    else:
        path.unlink(missing_ok=True)


def refuse_nothing(removed: object, about: str) -> None:
    """Refuse to withdraw an answer that was never given.

    Args:
        removed: the answers that were found.
        about: what they are about, to start the line.

    Raises:
        InputError: there are none.
    """
    if not removed:
        raise InputError(f"{about}: no answer that could be withdrawn")
