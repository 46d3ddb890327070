"""Statistics under weights, and intervals of differences, against scikit-learn, SciPy and counting."""

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import det_curve, f1_score

from reprise.core.errors import InputError
from reprise.tools.noise import Rows, check_rows, combine, equal_error_rate, macro_f1, paired_interval, widen


def table(**columns):
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    return Rows("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]), "items.csv")


def test_macro_f1_of_weighted_items_is_that_of_repeated_ones():
    rng = np.random.default_rng(0)
    labels, predictions = rng.choice(list("abcd"), (2, 40))
    weights = rng.multinomial(40, np.full(40, 1 / 40), 20).astype(float)
    for row, found in zip(weights.astype(int), macro_f1(labels.tolist(), predictions.tolist(), weights), strict=True):
        drawn = np.repeat(np.arange(40), row)
        assert found == pytest.approx(f1_score(labels[drawn], predictions[drawn], average="macro"))


@pytest.mark.parametrize("levels", [5, 1000])
def test_the_equal_error_rate_of_weighted_items_is_that_of_repeated_ones(levels):
    rng = np.random.default_rng(1)
    spoof = np.arange(60) % 3 > 0
    scores = np.floor(levels * (rng.random(60) + 0.5 * ~spoof)) / levels  # with few levels many are equal
    weights = rng.multinomial(60, np.full(60, 1 / 60), 20).astype(float)
    for row, found in zip(weights.astype(int), equal_error_rate(spoof, scores, weights), strict=True):
        drawn = np.repeat(np.arange(60), row)
        alarm, miss, _ = det_curve(~spoof[drawn], scores[drawn])
        gap = np.abs(miss - alarm).round(9)
        best = gap == gap.min()
        assert found == pytest.approx(((miss + alarm) / 2)[best][-1])


def test_a_paired_interval_is_scipys_of_the_differences():
    rng = np.random.default_rng(2)
    before = rng.normal(0.7, 0.2, 200)
    now = before + rng.normal(0.02, 0.05, 200)
    found = paired_interval("mean", table(x=before), table(x=now), ["x"])
    truth = bootstrap((now - before,), np.mean, n_resamples=9999, method="percentile", rng=rng).confidence_interval
    assert found == pytest.approx((truth.low, truth.high), abs=6e-4)
    wide = combine(before.mean(), now.mean(), *((x.mean() - 0.028, x.mean() + 0.028) for x in (before, now)))
    assert wide is not None
    assert wide[1] - wide[0] > 3 * (found[1] - found[0]), "what is hard for both is no noise of the difference"


def test_items_of_a_group_are_drawn_together():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(20), 10)
    difference = np.repeat(rng.normal(0, 0.1, 20), 10)
    before, now = table(x=np.zeros(200)), table(x=difference)
    alone = paired_interval("mean", before, now, ["x"])
    together = paired_interval("mean", before, now, ["x"], [str(group) for group in groups])
    means = (difference.reshape(20, 10).mean(axis=1),)
    truth = bootstrap(means, np.mean, n_resamples=9999, method="percentile", rng=rng).confidence_interval
    assert together == pytest.approx((truth.low, truth.high), abs=4e-3)
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_many_items_are_drawn_in_parts(monkeypatch):
    before, now = (table(x=np.random.default_rng(seed).random(50)) for seed in (4, 5))
    whole = paired_interval("mean", before, now, ["x"])
    monkeypatch.setattr("reprise.tools.noise.VALUES_AT_ONCE", 1000)
    assert paired_interval("mean", before, now, ["x"]) == pytest.approx(whole)


def test_combined_intervals_hold_the_difference_as_often_as_they_say():
    """Means of normal draws: of 2000 pairs of runs, 95 % of the intervals hold the true difference."""
    rng = np.random.default_rng(6)
    error = 1 / np.sqrt(50)
    means = rng.normal(0, error, (2000, 2))
    intervals = [combine(*pair, *((mean - 1.96 * error, mean + 1.96 * error) for mean in pair)) for pair in means]
    held = np.mean([interval is not None and interval[0] <= 0 <= interval[1] for interval in intervals])
    assert 0.935 < held < 0.965
    assert combine(1.0, 2.0, None, None) is None
    assert combine(1.0, 2.0, None, (1.9, 2.2)) == pytest.approx((1 - 0.05**0.5, 1 + 0.05**0.5), abs=1e-9)
    assert combine(1.0, 2.0, (0.9, 1.2), None) == pytest.approx(combine(1.0, 2.0, None, (1.9, 2.2)))


def test_the_spread_between_seeds_is_added():
    assert widen(0.1, (0.06, 0.13), 0.0) == pytest.approx((0.06, 0.13))
    seeds = 1.959964 * 2**0.5 * 0.02
    assert widen(0.1, (0.06, 0.13), 0.02) == pytest.approx((0.1 - np.hypot(0.04, seeds), 0.1 + np.hypot(0.03, seeds)))


def test_mistakes_in_a_table_of_items_are_named():
    rows = table(id=["a", "b"], hit=[1, 0])
    with pytest.raises(InputError, match=r"items\.csv: no column 'x', which headlines\.yaml names; it has id, hit"):
        rows.numbers("x")
    with pytest.raises(InputError, match=r"items\.csv: column 'id': could not convert"):
        rows.numbers("id")
    with pytest.raises(InputError, match="a value occurs twice"):
        table(id=["a", "a"]).sorted_by("id")
    with pytest.raises(InputError, match=r"items\.csv: mean of its rows is 0\.5000, but F1 is 0\.6000"):
        check_rows("mean", rows, ["hit"], 0.6, "F1")
    check_rows("mean", rows, ["hit"], 0.5, "F1")


def test_draws_of_one_class_do_not_count():
    weights = np.array([[2.0, 2, 0, 0], [0, 0, 2, 2], [1, 1, 1, 1]])
    found = equal_error_rate(np.array([True, True, False, False]), np.array([0.0, 2, 1, 3]), weights)
    assert np.isnan(found[:2]).all()
    assert found[2] == 0.5
    spoof = [1, 0, 0]  # a third of the draws have no spoof
    before, now = table(id="abc", spoof=spoof, score=[4, 1, 3]), table(id="abc", spoof=spoof, score=[0, 1, 3])
    assert paired_interval("eer", before, now, ["spoof", "score"]) == (-1.0, -1.0)
