"""What a check of a folder found, and the command that trains on it."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.overrides import experiment
from reprise.core.text import for_terminal

SHOWN = 5


@dataclasses.dataclass
class Findings:
    """Lines by kind, and the values of params.yaml that fit the folder.

    Attributes:
        recognised: layout and counts.
        missing: optional files that are not there.
        dropped: what will be left out.
        odd: what a person should look at.
        stops: what the first stage would refuse.
        overrides: values by dotted key.
    """

    recognised: list[str] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    dropped: list[str] = dataclasses.field(default_factory=list)
    odd: list[str] = dataclasses.field(default_factory=list)
    stops: list[str] = dataclasses.field(default_factory=list)
    overrides: dict[str, str] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def collect(self) -> Iterator[None]:
        """Note an InputError of the block, in the readers' own words, and go on after it."""
        try:
            yield
        except InputError as error:
            self.stops.append(str(error))

    def refuse(self, errors: Sequence[str], of: str = "") -> None:
        """Note the first few of several errors, and how many more there are.

        Args:
            errors: a line each.
            of: what the others are about, such as "images".
        """
        self.stops += errors[:SHOWN]
        if len(errors) > SHOWN:
            self.stops.append(f"and {len(errors) - SHOWN} more {of}".rstrip())

    def command(self, *stages: str) -> str:
        """The command that runs stages on the folder."""
        return experiment(self.overrides, *stages)

    def lines(self) -> Iterator[str]:
        """Everything but the command, as lines for a terminal."""
        for title, found in (
            ("recognised", self.recognised),
            ("missing", self.missing),
            ("left out", self.dropped),
            ("odd", self.odd),
            ("refused", self.stops),
        ):
            if found:
                yield f"{title}:"
                yield from (f"  {for_terminal(line)}" for line in found)


def some(values: list[str]) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(values[:SHOWN]) + more


def same_content(paths: list[Path]) -> list[list[Path]]:
    """Group files of one content; only files of one length are read."""
    by_length: dict[int, list[Path]] = {}
    for path in paths:
        by_length.setdefault(path.stat().st_size, []).append(path)
    by_content: dict[str, list[Path]] = {}
    for alike in by_length.values():
        for path in alike if len(alike) > 1 else []:
            by_content.setdefault(hash_file(path), []).append(path)
    return [group for group in by_content.values() if len(group) > 1]
