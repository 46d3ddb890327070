"""Goals of headline figures."""

from pathlib import Path

from reprise.tools.headlines import Headline, distances, read_headlines
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
