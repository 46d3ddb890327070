"""Errors that the user can fix: bad input, and memory that ran out."""

import re

LESS_MEMORY = "lower batch_size and raise accumulate as much, or try precision bf16-mixed"

SIGNS_OF_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "could not create a primitive",  # oneDNN's one line for whatever stops it: next to always memory
    "failed to map segment from shared object",  # the loader's, while a library is imported
    "cannot allocate memory",
)


class InputError(Exception):
    """Bad data or a bad parameter: one line that names the file, the place in it and what was expected.

    The stage runner prints the line and ends with exit code 1. Any other exception is a bug, and keeps its
    traceback.
    """


def out_of_memory(error: BaseException, advice: str = LESS_MEMORY) -> str | None:
    """One line of advice where an error says that memory ran out, on a device or the CPU; None for other errors."""
    text = str(error)
    refused = re.search(r"[Tt]ried to allocate ([\d.,]+ ?\w*)|Unable to allocate ([\d.,]+ ?\w+)", text)
    if not isinstance(error, MemoryError) and type(error).__name__ != "OutOfMemoryError":
        if not any(sign in text for sign in SIGNS_OF_NO_MEMORY):
            return None
        refused = re.search(r"(\d+) bytes", text) or refused
    amount = next((part for part in refused.groups() if part), "") if refused else ""
    asked = f" ({amount}{' bytes' if amount.isdigit() else ''} asked for)" if amount else ""
    return f"out of memory{asked}; {advice}"
