"""Goals of headline figures."""

import dataclasses
from pathlib import Path

import pytest

from reprise.core.errors import InputError
from reprise.tools.headlines import Headline, distances, figure_of, read_headlines, stored_interval
from reprise.tools.repository import Snapshot
from tests.conftest import ROOT


def headline(better, **goals) -> Headline:
    return Headline(
        task="t", title="F1", short="F1", file=Path("f"), key="k", better=better, tolerance=0.1, goals=goals
    )


def test_the_distance_to_a_goal_counts_the_way_that_is_better():
    assert distances(headline("higher", basic=0.87, highperf=0.934), 0.9) == [
        "0.870 (basic): reached",
        "0.934 (highperf): 0.034 to go",
    ]
    assert distances(headline("lower", detector=0.01), 0.025) == ["0.010 (detector): 0.015 to go"]
    assert distances(headline("lower", detector=0.01), 0.01) == ["0.010 (detector): reached"]
    assert distances(headline("lower", detector=0.01), None) == []
    assert distances(headline("higher"), 0.5) == []


def test_the_goals_of_the_originals_are_listed():
    goals = [goal for each in read_headlines(ROOT / "headlines.yaml") for goal in each.goals.items()]
    assert sorted(goals) == [("basic", 0.87), ("detector", 0.01), ("highperf", 0.934)]


@dataclasses.dataclass(frozen=True)
class Stored(Snapshot):
    """A snapshot whose files all hold one text."""

    text: str = ""

    def read(self, path):
        return self.text


def stored(text):
    return Stored("here", text=text)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '"0.9"', "true", "[1]", "{}"])
def test_a_figure_that_is_no_finite_number_is_refused(value):
    with pytest.raises(InputError, match=r"^f \(here\): k: .*; expected a finite number$"):
        figure_of(stored(f'{{"k": {value}}}'), headline("higher"))
    assert figure_of(stored('{"k": 1}'), headline("higher")) == 1.0
    assert figure_of(stored('{"j": 1}'), headline("higher")) is None


@pytest.mark.parametrize("text", ['{"k": 1', "[" * 100_000])
def test_a_file_of_figures_that_is_no_json_is_named(text):
    with pytest.raises(InputError, match=r"^f \(here\): k: not in a valid JSON file"):
        figure_of(stored(text), headline("higher"))


def test_an_interval_without_numbers_is_refused():
    with pytest.raises(InputError, match=r"^f \(here\): interval of k: \[nan, 1\]; expected numbers$"):
        stored_interval(stored('{"k": 0.5, "k_ci95": [NaN, 1]}'), headline("higher"))
