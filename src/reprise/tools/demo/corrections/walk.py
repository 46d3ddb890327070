"""Going through questions one by one: where the next one is, and whether answers can be written at all."""

from collections.abc import Sequence
from pathlib import Path

from reprise.core.errors import InputError
from reprise.tools.correct.files import refuse_generated


def neighbour(names: Sequence[str], current: str | None, by: int) -> tuple[int, bool]:
    """The place that lies so far from the current one, within the list.

    Args:
        names: of the questions; one at least.
        current: one of them; otherwise the first counts.
        by: places to go.

    Returns:
        The place, and whether the list ended before it.
    """
    place = (names.index(current) if current in names else 0) + by
    return min(max(place, 0), len(names) - 1), not 0 <= place < len(names)


def question_at(names: Sequence[str], answered: Sequence[bool], current: str | None, by: int) -> tuple[int, bool]:
    """As `neighbour`; where there is no current question, the first without an answer, or the first of all."""
    if current is not None:
        return neighbour(names, current, by)
    return (list(answered).index(False) if False in answered else 0), False


def why_closed(folder: Path, generated: Path) -> str:
    """The command line's line about a folder that a stage generates; empty where answers can be written."""
    try:
        refuse_generated(folder, generated)
    except InputError as error:
        return str(error)
    return ""
