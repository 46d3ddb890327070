"""What a reader makes of a file: a value, or one line of error."""

from collections.abc import Callable
from typing import TypeVar

from reprise.core.errors import InputError

Value = TypeVar("Value")


def value_or_error(read: Callable[[], Value]) -> tuple[Value | None, str | None]:
    """Call a reader; any other exception than an InputError is a defect, and passes."""
    try:
        return read(), None
    except InputError as error:
        return None, str(error)
