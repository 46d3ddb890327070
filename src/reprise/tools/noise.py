"""Whether a figure changed by more than chance explains: an interval of the difference between two runs.

Where both runs' predictions for the same test items are at hand, a paired bootstrap (Efron and Tibshirani, 1993,
chapter 16) draws the items, by group where they come in groups: an item that is hard for both runs moves both figures
alike, and not their difference. Otherwise the intervals of the two figures are combined (MOVER: Zou and Donner,
Statistics in Medicine 27, 2008), as if each run had been tested on items of its own; that interval is wider. To either,
the spread between seeds is added where it was measured.
"""

import csv
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from reprise.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Interval = tuple[float, float]
Statistic = Literal["mean", "macro_f1", "eer"]

RESAMPLES = 4000
VALUES_AT_ONCE = 4_000_000  # weights held in memory
Z95 = 1.959964  # of the normal distribution
CONSISTENT = 1e-3  # how far rounded rows may be from the figure that they belong to


def combine(before: float, now: float, before_ci: Interval | None, now_ci: Interval | None) -> Interval | None:
    """The 95 % interval of now - before, of two independent figures with intervals; None without any interval.

    Where one of them lacks its interval, that of the other, moved, stands in for it.
    """
    if before_ci is None and now_ci is None:
        return None
    if before_ci is None:
        assert now_ci is not None
        before_ci = now_ci[0] - now + before, now_ci[1] - now + before
    if now_ci is None:
        now_ci = before_ci[0] - before + now, before_ci[1] - before + now
    down = math.hypot(now - now_ci[0], before_ci[1] - before)
    up = math.hypot(now_ci[1] - now, before - before_ci[0])
    return now - before - down, now - before + up


def widen(difference: float, interval: Interval, seed_sd: float) -> Interval:
    """Add the spread between seeds, of both runs, to an interval of their difference.

    Args:
        difference: of the figures.
        interval: of the difference.
        seed_sd: standard deviation of the figure over seeds.
    """
    seeds = Z95 * math.sqrt(2) * seed_sd
    return difference - math.hypot(difference - interval[0], seeds), difference + math.hypot(
        interval[1] - difference, seeds
    )


class Rows:
    """A table of test items, one row each.

    Args:
        text: CSV.
        where: the file's name, for errors.
    """

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self.rows = list(csv.DictReader(io.StringIO(text)))

    def column(self, name: str) -> list[str]:
        """One column as text.

        Raises:
            InputError: there is no such column.
        """
        if not self.rows or name not in self.rows[0]:
            known = ", ".join(self.rows[0]) if self.rows else "no rows"
            raise InputError(f"{self.where}: no column {name!r}, which headlines.yaml names; it has {known}")
        return [row[name] for row in self.rows]

    def numbers(self, name: str) -> "np.ndarray":
        """One column as numbers (N,).

        Raises:
            InputError: there is no such column, or it holds something else.
        """
        import numpy as np

        try:
            return np.array([float(value) for value in self.column(name)])
        except ValueError as error:
            raise InputError(f"{self.where}: column {name!r}: {error}") from None

    def sorted_by(self, name: str) -> "Rows":
        """The same rows in the order of a column, of which no two values may be equal."""
        keys = self.column(name)
        if len(set(keys)) < len(keys):
            raise InputError(f"{self.where}: column {name!r}: a value occurs twice; it has to name one item")
        self.rows.sort(key=lambda row: row[name])
        return self


def statistic_of(statistic: Statistic, rows: Rows, columns: Sequence[str], weights: "np.ndarray") -> "np.ndarray":
    """A statistic of the N rows under each of B weightings.

    Args:
        statistic: `mean` of a column; `macro_f1` of label and prediction; `eer` of whether an item is a spoof (1 or 0)
            and its score, which is higher for natural speech.
        rows: the N items.
        columns: one for `mean`, two for the others.
        weights: (B, N): how often each item was drawn.

    Returns:
        (B,).
    """
    if statistic == "mean":
        return weights @ rows.numbers(columns[0]) / weights.sum(axis=1)
    if statistic == "macro_f1":
        return macro_f1(rows.column(columns[0]), rows.column(columns[1]), weights)
    return equal_error_rate(rows.numbers(columns[0]) > 0.5, rows.numbers(columns[1]), weights)


def macro_f1(labels: Sequence[str], predictions: Sequence[str], weights: "np.ndarray") -> "np.ndarray":
    """Macro-F1 (B,) under weights (B, N): the mean of F1 over the classes that are labels or predictions."""
    import numpy as np

    names = sorted({*labels, *predictions})
    places = {name: place for place, name in enumerate(names)}
    label, predicted = (
        np.eye(len(names))[[places[name] for name in column]] for column in (labels, predictions)
    )  # (N, C)
    twice_true, there = 2 * weights @ (label * predicted), weights @ (label + predicted)  # (B, C)
    f1 = np.divide(twice_true, there, out=np.zeros_like(there), where=there > 0)
    return f1.sum(axis=1) / np.maximum((there > 0).sum(axis=1), 1)  # a class that no draw holds does not count


def equal_error_rate(spoof: "np.ndarray", scores: "np.ndarray", weights: "np.ndarray") -> "np.ndarray":
    """Equal error rate (B,) under weights (B, N): the mean of misses and false alarms where they are closest.

    NaN where only spoofs, or only natural speech, have a weight.

    Args:
        spoof: (N,) whether an item is a spoof.
        scores: (N,) higher for natural speech.
        weights: (B, N).
    """
    import numpy as np

    order = np.argsort(scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # no threshold lies between equal scores

    def below(chosen: np.ndarray) -> np.ndarray:
        """Share (B, thresholds) of the chosen items whose scores are below each threshold, from the lowest on."""
        own = weights[:, order] * chosen[order]
        with np.errstate(invalid="ignore"):
            passed = np.cumsum(own, axis=1)[:, ends] / own.sum(axis=1, keepdims=True)
        return np.concatenate([np.zeros((len(weights), 1)), passed], axis=1)

    miss, alarm = below(~spoof), 1 - below(spoof)
    gap = np.abs(miss - alarm).round(9)  # rounding errors must not choose between equal ones
    place = gap.shape[1] - 1 - gap[:, ::-1].argmin(axis=1)  # of several the highest threshold
    rows = np.arange(len(weights))
    return (miss[rows, place] + alarm[rows, place]) / 2


def paired_interval(
    statistic: Statistic, before: Rows, now: Rows, columns: Sequence[str], groups: Sequence[str] | None = None
) -> Interval:
    """The 95 % interval of the difference of a statistic between two runs on the same items, in the same order.

    Draws for which the statistic is NaN do not count.

    Args:
        statistic: which.
        before: N items.
        now: the same items.
        columns: of the statistic.
        groups: of each item; items of one group are drawn together. None: each item is drawn by itself.
    """
    import numpy as np

    names = sorted(set(groups)) if groups is not None else []
    places = {name: place for place, name in enumerate(names)}
    member = np.array([places[name] for name in groups]) if groups is not None else np.arange(len(before.rows))
    count, rng = int(member.max()) + 1, np.random.default_rng(0)
    differences = []
    at_once = max(1, VALUES_AT_ONCE // len(member))
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        weights = rng.multinomial(count, np.full(count, 1 / count), size)[:, member].astype(float)  # (B, N)
        earlier, later = (statistic_of(statistic, rows, columns, weights) for rows in (before, now))
        differences.append(later - earlier)
    low, high = np.nanquantile(np.concatenate(differences), [0.025, 0.975])
    return float(low), float(high)


def check_rows(statistic: Statistic, rows: Rows, columns: Sequence[str], figure: float, title: str) -> None:
    """Refuse rows that do not come to the figure that they are said to belong to.

    Raises:
        InputError: they do not.
    """
    import numpy as np

    found = float(statistic_of(statistic, rows, columns, np.ones((1, len(rows.rows))))[0])
    if abs(found - figure) > CONSISTENT:
        raise InputError(f"{rows.where}: {statistic} of its rows is {found:.4f}, but {title} is {figure:.4f}")
