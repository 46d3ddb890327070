import math

import numpy as np
import pytest
from pydantic import ValidationError

from reprise.tools.sweep import Dimension, Trial, draw_points, rank, short_names


@pytest.mark.parametrize(
    ("dimension", "low", "middle", "high"),
    [
        ({"log_uniform": (1e-4, 1e-2)}, 1e-4, 1e-3, 1e-2),
        ({"uniform": (-1.0, 3.0)}, -1.0, 1.0, 3.0),
        ({"integer": (0, 3)}, 0, 2, 3),
        ({"choice": ["a", "b", "c"]}, "a", "b", "c"),
    ],
)
def test_places_become_values(dimension, low, middle, high):
    values = [Dimension(**dimension).value(place) for place in (0.0, 0.5, 1 - 1e-12)]
    assert values == pytest.approx([low, middle, high]) if not isinstance(low, str) else values == [low, middle, high]


@pytest.mark.parametrize(
    "dimension",
    [
        {},
        {"uniform": (0.0, 1.0), "choice": [1]},
        {"uniform": (1.0, 1.0)},
        {"log_uniform": (0.0, 1.0)},
        {"choice": []},
        {"normal": (0, 1)},
    ],
)
def test_what_is_no_range_is_refused(dimension):
    with pytest.raises(ValidationError):
        Dimension(**dimension)


def test_points_are_spread_evenly_and_more_trials_keep_the_first_ones():
    space = {"a.lr": Dimension(log_uniform=(1e-3, 1e-1)), "a.dropout": Dimension(uniform=(0, 1))}
    points = draw_points(space, 16, seed=3)
    assert draw_points(space, 5, seed=3) == points[:5]
    assert draw_points(space, 16, seed=4) != points
    decades = np.array([math.log10(point["a.lr"]) + 3 for point in points]) / 2
    assert np.bincount((decades * 16).astype(int), minlength=16).tolist() == [1] * 16, "one in each sixteenth"


def test_ranks_follow_the_direction():
    trials = [Trial(number, {}, 1, str(number)) for number in range(3)]
    scores = {"0": 0.5, "1": 0.1, "2": 0.9}
    assert [trial.number for trial in rank(trials, scores, "minimise")] == [1, 0, 2]
    assert [trial.number for trial in rank(trials, scores, "maximise")] == [2, 0, 1]


def test_names_are_short_where_they_stay_apart():
    assert short_names({"a.lr": 1, "b.dropout": 2}) == {"lr": 1, "dropout": 2}
    assert short_names({"a.lr": 1, "b.lr": 2}) == {"a.lr": 1, "b.lr": 2}
