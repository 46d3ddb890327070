"""headlines.yaml: the figures that a reader looks at first, which way they are better, and what their noise is."""

import dataclasses
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reprise.core.errors import InputError
from reprise.core.params import Params, parse_params, read_yaml
from reprise.tools.lock import LOCK, Record, caused_here, stages_of, writer_of
from reprise.tools.noise import Interval, Rows, Statistic, check_rows, combine, paired_interval, widen
from reprise.tools.repository import Snapshot, look_up

HEADLINES = Path("headlines.yaml")
SAME = 1e-9  # smaller differences are none

Verdict = Literal["better", "worse", "within noise", "changed", "same", "computed elsewhere", "new", "gone", "absent"]


class Items(Params):
    """The test items that a figure is made of: a CSV file in Git with a row for each, from which chance draws."""

    file: Path
    id: str  # column
    statistic: Statistic
    columns: Annotated[list[str], Field(min_length=1, max_length=2)]  # of the statistic: see noise.statistic_of
    group: str | None = None  # column; what shares a group (a speaker, near-duplicates) is drawn together


class Headline(Params):
    """One figure."""

    task: str
    title: str
    short: str  # a column's title where there is little room
    file: Path  # JSON in Git
    key: str  # dotted
    better: Literal["higher", "lower"]
    tolerance: Annotated[float, Field(ge=0)]  # between kinds of processors
    interval: str | None = None  # key of [low, high], the 95 % interval; null: the figure's key with _ci95 after it
    items: Items | None = None
    goals: dict[str, float] = Field(default_factory=dict)  # by recipe, or whatever reached it
    seed_sd: Annotated[float, Field(ge=0)] = 0.0  # standard deviation over seeds, where it was measured


@dataclasses.dataclass(frozen=True)
class Change:
    """A headline figure here and at a base.

    Attributes:
        headline: which figure.
        base: None where the base has none.
        here: None where it is missing here.
        verdict: what became of it.
        interval: 95 % interval of the difference; None where neither figure has one, or nothing changed.
    """

    headline: Headline
    base: float | None
    here: float | None
    verdict: Verdict
    interval: Interval | None = None

    @property
    def difference(self) -> float | None:
        """Here minus base."""
        return None if self.base is None or self.here is None else self.here - self.base


def read_headlines(path: Path = HEADLINES) -> list[Headline]:
    """Read the list.

    Raises:
        InputError: missing, not a list, or with a key that is unknown or mistyped.
    """
    rows = read_yaml(path)
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list of figures")
    return [parse_params(row, Headline, f"{path}: entry {number}") for number, row in enumerate(rows, 1)]


def compare(base: Snapshot, here: Snapshot) -> list[Change]:
    """All headline figures of two snapshots."""
    locks = stages_of(base.read(LOCK)), stages_of(here.read(LOCK))
    return [judge(headline, base, here, *locks) for headline in read_headlines()]


def judge(
    headline: Headline, base: Snapshot, here: Snapshot, base_lock: Mapping[str, Record], lock: Mapping[str, Record]
) -> Change:
    """Say what became of a figure, and whether chance alone explains it."""
    before, now = figure_of(base, headline), figure_of(here, headline)
    if before is None or now is None:
        verdict: Verdict = "absent" if before is now else "new" if before is None else "gone"
        return Change(headline, before, now, verdict)
    stage = writer_of(lock, headline.file.as_posix())
    if abs(now - before) < SAME or (stage is not None and base_lock.get(stage) == lock[stage]):
        return Change(headline, before, now, "same")
    interval = interval_of_change(headline, base, here)
    if stage is not None and not caused_here(base_lock, lock, stage):
        return Change(headline, before, now, "computed elsewhere", interval)
    if interval is None:
        verdict = "changed"
    elif interval[0] <= 0 <= interval[1]:
        verdict = "within noise"
    else:
        verdict = "better" if (now > before) == (headline.better == "higher") else "worse"
    return Change(headline, before, now, verdict, interval)


def distances(headline: Headline, value: float | None) -> list[str]:
    """How far a figure is from its goals, in words: `0.870 (basic): reached`, `0.934 (highperf): 0.034 to go`."""
    if value is None:
        return []
    sign = 1 if headline.better == "higher" else -1
    missing = {name: sign * (goal - value) for name, goal in headline.goals.items()}
    return [
        f"{headline.goals[name]:.3f} ({name}): {'reached' if rest <= SAME else f'{rest:.3f} to go'}"
        for name, rest in missing.items()
    ]


def figure_of(snapshot: Snapshot, headline: Headline) -> float | None:
    """A figure of a snapshot; None where it has none.

    Raises:
        InputError: the file is not JSON, or the figure no finite number.
    """
    where = f"{headline.file} ({snapshot.name})"
    try:
        value = look_up(snapshot.read(headline.file), headline.key)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value)):
        raise InputError(f"{where}: {headline.key}: {value!r}; expected a finite number")
    return None if value is None else float(value)


def interval_of_change(headline: Headline, base: Snapshot, here: Snapshot) -> Interval | None:
    """The 95 % interval of here minus base; None where nothing is known of the figure's noise.

    Raises:
        InputError: the rows of the test items do not come to the figure.
    """
    before, now = figure_of(base, headline), figure_of(here, headline)
    assert before is not None
    assert now is not None
    interval = paired(headline, base, here)
    if interval is None:
        interval = combine(before, now, *(stored_interval(side, headline) for side in (base, here)))
    return None if interval is None else widen(now - before, interval, headline.seed_sd)


def stored_interval(snapshot: Snapshot, headline: Headline) -> Interval | None:
    """The interval that the stage stored beside a figure; None where it stored none."""
    stored = look_up(snapshot.read(headline.file), headline.interval or f"{headline.key}_ci95")
    if not isinstance(stored, list) or len(stored) != 2:
        return None
    if not all(isinstance(end, int | float) and isfinite(end) for end in stored):
        raise InputError(f"{headline.file} ({snapshot.name}): interval of {headline.key}: {stored}; expected numbers")
    return float(stored[0]), float(stored[1])


def paired(headline: Headline, base: Snapshot, here: Snapshot) -> Interval | None:
    """The interval of a paired bootstrap; None where a side lacks its items, or they are not the same items."""
    items = headline.items
    texts = [side.read(items.file) for side in (base, here)] if items is not None else [None]
    if items is None or any(text is None for text in texts):
        return None
    tables = [
        Rows(str(text), f"{items.file} ({side.name})").sorted_by(items.id)
        for text, side in zip(texts, (base, here), strict=True)
    ]
    if tables[0].column(items.id) != tables[1].column(items.id):
        return None
    for rows, side in zip(tables, (base, here), strict=True):
        check_rows(
            items.statistic, rows, items.columns, figure_of(side, headline) or 0.0, f"{headline.title} ({side.name})"
        )
    groups = tables[1].column(items.group) if items.group is not None else None
    return paired_interval(items.statistic, tables[0], tables[1], items.columns, groups)


def table_rows(changes: list[Change], write: Callable[[float | None], str]) -> list[list[str]]:
    """Rows of text: task, figure, base, here, change, its 95 % interval."""
    return [
        [
            change.headline.task,
            f"{change.headline.title} ({change.headline.better} is better)",
            write(change.base),
            write(change.here),
            "" if change.difference is None else f"{change.difference:+.4f}",
            write_interval(change.interval),
        ]
        for change in changes
    ]


def write_interval(interval: Interval | None) -> str:
    """An interval of a difference, with signs; nothing for None."""
    return "" if interval is None else f"{interval[0]:+.4f} to {interval[1]:+.4f}"


def split_elsewhere(changes: list[Change]) -> tuple[list[Change], list[Change]]:
    """Split off the figures that were computed elsewhere: the others, then these."""
    elsewhere = [change for change in changes if change.verdict == "computed elsewhere"]
    return [change for change in changes if change.verdict != "computed elsewhere"], elsewhere
