"""A report of work for tests that do not look at it."""


def unwatched(done: int, total: int, what: str) -> None:
    """A `Report` that nobody reads."""
