"""headlines.yaml: which figures a reader looks at first, and which way they are better."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reprise.core.errors import InputError
from reprise.core.params import Params, parse_params, read_yaml
from reprise.tools.repository import file_at, look_up

HEADLINES = Path("headlines.yaml")


class Headline(Params):
    """One figure."""

    task: str
    title: str
    file: Path  # JSON in Git
    key: str  # dotted
    better: Literal["higher", "lower"]
    tolerance: Annotated[float, Field(ge=0)]  # between kinds of processors


@dataclasses.dataclass(frozen=True)
class Change:
    """A headline here and at a base.

    Attributes:
        headline: which figure.
        base: None where the base has none.
        here: None where it is missing here.
    """

    headline: Headline
    base: float | None
    here: float | None

    @property
    def difference(self) -> float | None:
        """Here minus base."""
        return None if self.base is None or self.here is None else self.here - self.base

    @property
    def verdict(self) -> str:
        """In a word: better, worse, same, new, gone or absent."""
        if self.here is None:
            return "absent" if self.base is None else "gone"
        if self.difference is None:
            return "new"
        if abs(self.difference) < 1e-9:
            return "same"
        return "better" if (self.difference > 0) == (self.headline.better == "higher") else "worse"


def read_headlines(path: Path = HEADLINES) -> list[Headline]:
    """Read the list.

    Raises:
        InputError: missing, not a list, or with a key that is unknown or mistyped.
    """
    rows = read_yaml(path)
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list of figures")
    return [parse_params(row, Headline, f"{path}: entry {number}") for number, row in enumerate(rows, 1)]


def compare(base: str, root: Path = Path()) -> list[Change]:
    """All headlines at a revision and in the workspace at `root`."""
    changes = []
    for headline in read_headlines():
        here = root / headline.file
        text = here.read_text(encoding="utf-8") if here.is_file() else None
        figures = look_up(file_at(base, headline.file), headline.key), look_up(text, headline.key)
        changes.append(Change(headline, *figures))
    return changes


def table_rows(changes: "list[Change]", write: "Callable[[float | None], str]") -> "list[list[str]]":
    """Rows of text: task, figure, base, here, change, verdict."""
    return [
        [
            change.headline.task,
            f"{change.headline.title} ({change.headline.better} is better)",
            write(change.base),
            write(change.here),
            "" if change.difference is None else f"{change.difference:+.4f}",
            change.verdict,
        ]
        for change in changes
    ]
