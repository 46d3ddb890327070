"""What C libraries write to standard error, past Python's logging."""

import contextlib
import os
import threading
from collections.abc import Iterator

_lock = threading.RLock()  # the descriptor is the process's: two threads would take each other's for the original


@contextlib.contextmanager
def standard_error_to(descriptor: int) -> Iterator[None]:
    """Send whatever this process writes to standard error in the block to another open file, one thread at a time.

    What other threads write meanwhile goes there, too.

    Args:
        descriptor: of the file.
    """
    with _lock:
        kept = os.dup(2)
        try:
            os.dup2(descriptor, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
