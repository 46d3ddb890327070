import numpy as np
import pytest
from scipy.stats import norm

from reprise.core.bootstrap import BOUNDS, bootstrap_draws


def weighted_mean(values):
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_draws_spread_as_the_standard_error_says():
    values = np.random.default_rng(0).standard_normal(500)
    draws = bootstrap_draws(weighted_mean(values), np.arange(500), 0)
    error = values.std() / np.sqrt(500)
    expected = values.mean() + error * norm.ppf(BOUNDS)
    assert np.quantile(draws, BOUNDS) == pytest.approx(expected, abs=0.3 * error)


def test_a_group_is_drawn_whole():
    """Two groups: a draw holds the first alone, the second alone, or both."""
    values, groups = np.array([0.0, 0.0, 0.0, 1.0]), np.array(["a", "a", "a", "b"])
    draws = bootstrap_draws(weighted_mean(values), groups, 0)
    assert set(draws) == {0.0, 0.25, 1.0}
    assert np.mean(draws == 0.25) == pytest.approx(0.5, abs=0.06)


def test_several_statistics_come_from_the_same_draws_of_a_seed():
    values = np.random.default_rng(1).standard_normal((2, 30))
    both = bootstrap_draws(lambda weights: values @ weights.T / weights.sum(axis=1), np.arange(30), 3)
    assert both.shape[0] == 2
    for row in (0, 1):
        assert both[row] == pytest.approx(bootstrap_draws(weighted_mean(values[row]), np.arange(30), 3))
    assert not np.array_equal(both[0], bootstrap_draws(weighted_mean(values[0]), np.arange(30), 4))


def test_one_group_is_every_draw():
    assert bootstrap_draws(weighted_mean(np.array([1.0, 3.0])), np.zeros(2), 0).tolist() == [2.0]
