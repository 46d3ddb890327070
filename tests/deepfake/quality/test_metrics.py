import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import log_loss, roc_curve

from reprise.deepfake.quality.intervals import drawn_together
from reprise.deepfake.quality.metrics import (
    COST_FALSE_ALARM,
    PRIOR_SPOOF,
    actual_cost,
    detection_cost,
    drawn_curves,
    equal_error_rate,
    equal_error_rates,
    equal_error_threshold,
    error_curve,
    error_rate_intervals,
    fit_decision,
    likelihood_ratio_cost,
    minimum_cost,
)


def draw(count: int = 4000, distance: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    spoof = np.arange(count) % 2 == 1
    return generator.standard_normal(count) + np.where(spoof, 0, distance), spoof


def naive_rates(scores, spoof, threshold):
    return (scores[~spoof] < threshold).mean(), (scores[spoof] >= threshold).mean()


def test_the_curve_is_that_of_counting_at_every_threshold():
    scores, spoof = draw(60)
    curve = error_curve(scores, spoof)
    for miss, false_alarm, threshold in zip(curve.miss, curve.false_alarm, curve.thresholds, strict=True):
        assert (miss, false_alarm) == pytest.approx(naive_rates(scores, spoof, threshold))


def test_the_equal_error_rate_of_two_normals_is_the_known_one():
    scores, spoof = draw(200_000)
    assert equal_error_rate(scores, spoof) == pytest.approx(norm.cdf(-1.0), abs=3e-3)
    miss, false_alarm = naive_rates(scores, spoof, equal_error_threshold(scores, spoof))
    assert miss == pytest.approx(false_alarm, abs=1e-3)


def test_the_rate_is_that_of_the_roc_curve_where_one_threshold_is_closest():
    """The curve that scikit-learn's det_curve replaced, with ties among the scores."""
    generator, compared = np.random.default_rng(0), 0
    for _ in range(300):
        spoof = np.append(generator.random(generator.integers(2, 40)) < 0.5, [True, False])
        scores = np.round(generator.standard_normal(len(spoof)) + ~spoof, int(generator.integers(0, 3)))
        false_alarm, hit, thresholds = roc_curve(~spoof, scores, drop_intermediate=False)
        gap = np.abs(1 - hit - false_alarm).round(9)
        places = np.flatnonzero(gap == gap.min())
        rates = (1 - hit[places] + false_alarm[places]) / 2
        assert equal_error_rate(scores, spoof) in [pytest.approx(rate) for rate in rates]
        if len(places) == 1 and np.isfinite(thresholds[places[0]]):
            compared += 1
            assert equal_error_threshold(scores, spoof) == thresholds[places[0]]
    assert compared > 200


def test_rates_at_the_extremes():
    spoof = np.array([False, False, True, True])
    assert equal_error_rate(np.array([2.0, 3.0, 0.0, 1.0]), spoof) == 0.0
    assert equal_error_rate(np.array([0.0, 1.0, 2.0, 3.0]), spoof) == 1.0
    assert equal_error_rate(np.zeros(4), spoof) == 0.5
    threshold = equal_error_threshold(np.array([2.0, 3.0, 0.0, 1.0]), spoof)
    assert 1.0 < threshold <= 2.0


def test_scores_are_high_for_natural_speech():
    scores, spoof = draw()
    assert equal_error_rate(scores, spoof) < 0.2 < 0.8 < equal_error_rate(-scores, spoof)


def test_the_bootstrap_holds_the_truth_about_as_often_as_it_says():
    truth, held = norm.cdf(-1.0), 0
    for seed in range(20):
        drawn = draw(400, seed=seed)
        (low, high), _ = error_rate_intervals(*drawn, np.arange(400), seed)
        assert low <= equal_error_rate(*drawn) <= high
        held += low <= truth <= high
    assert held >= 16


def test_the_bootstrap_is_that_of_drawing_speakers():
    generator = np.random.default_rng(1)
    scores, spoof = draw(120)
    speakers = generator.integers(0, 12, 120)
    scores = np.round(scores + generator.standard_normal(12)[speakers], 1)  # with ties, and like within a speaker
    rates, costs = [], []
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(speakers == speaker) for speaker in generator.integers(0, 12, 12)])
        rates.append(equal_error_rate(scores[rows], spoof[rows]))
        costs.append(minimum_cost(scores[rows], spoof[rows]))
    found = error_rate_intervals(scores, spoof, speakers, 0)
    assert found[0] == pytest.approx(np.quantile(rates, [0.025, 0.975]), abs=0.02)
    assert found[1] == pytest.approx(np.quantile(costs, [0.025, 0.975]), abs=0.05)
    assert error_rate_intervals(scores, spoof, speakers, 0) == found


def test_many_draws_at_once_have_the_rates_of_each():
    generator = np.random.default_rng(0)
    scores, spoof = np.round(generator.standard_normal(22), 1), np.arange(22) >= 13  # with ties
    weights = generator.integers(0, 4, (40, 22))
    weights[0, spoof] = 0
    curves = drawn_curves(scores, spoof, weights)
    rates, costs = equal_error_rates(*curves), detection_cost(*curves).min(axis=1)
    assert np.isnan([rates[0], costs[0]]).all()
    rows = [np.repeat(np.arange(22), own) for own in weights[1:]]
    assert rates[1:] == pytest.approx([equal_error_rate(scores[own], spoof[own]) for own in rows])
    assert costs[1:] == pytest.approx([minimum_cost(scores[own], spoof[own]) for own in rows])


def test_draws_without_one_of_the_classes_do_not_count():
    """Natural speech of one speaker, a spoof in another's voice: half of the draws hold both, each with an error."""
    scores, spoof = np.array([0.0, 1.0]), np.array([False, True])
    assert error_rate_intervals(scores, spoof, np.array(["a", "b"]), 0) == [[1.0, 1.0], [1.0, 1.0]]
    assert error_rate_intervals(scores, spoof, np.array(["a", "a"]), 0) == [[1.0, 1.0], [1.0, 1.0]]


def test_what_has_no_known_speaker_is_drawn_by_itself():
    table = pd.DataFrame({"utterance": ["u0", "u1", "u2"], "speaker": ["-", "s", "-"]})
    assert drawn_together(table).tolist() == ["u0", "s", "u2"]
    assert drawn_together(table.assign(speaker="s")).tolist() == ["u0", "u1", "u2"]


def test_costs_are_counted_as_asvspoof_5_does():
    scores, spoof = draw(500)
    naive = min(
        ((1 - PRIOR_SPOOF) * miss + COST_FALSE_ALARM * PRIOR_SPOOF * false_alarm)
        / min(1 - PRIOR_SPOOF, COST_FALSE_ALARM * PRIOR_SPOOF)
        for miss, false_alarm in (naive_rates(scores, spoof, threshold) for threshold in [*scores, np.inf])
    )
    assert minimum_cost(scores, spoof) == pytest.approx(naive)
    assert minimum_cost(np.zeros(len(spoof)), spoof) == 1.0


def test_true_likelihood_ratios_cost_little_more_than_the_best_threshold_and_shifted_ones_much():
    scores, spoof = draw(100_000)
    ratios = 2 * scores - 2  # of N(2, 1) against N(0, 1)
    best = minimum_cost(scores, spoof)
    assert best <= actual_cost(ratios, spoof) <= best * 1.02
    assert actual_cost(ratios + 3, spoof) > 1.2 * best


def test_cllr_is_the_log_loss_at_equal_priors():
    scores, spoof = draw(5000)
    ratios = 2 * scores - 2
    expected = log_loss(~spoof, 1 / (1 + np.exp(-ratios))) / np.log(2)
    assert likelihood_ratio_cost(ratios, spoof) == pytest.approx(expected, rel=1e-6)
    assert likelihood_ratio_cost(np.zeros(len(spoof)), spoof) == pytest.approx(1.0)


def test_calibration_finds_the_likelihood_ratio_whatever_the_shares():
    scores, spoof = draw(100_000)
    keep = ~spoof | (np.arange(len(spoof)) % 8 == 1)
    decision = fit_decision(0.5 * scores[keep], spoof[keep])
    assert (decision.scale, decision.offset) == (pytest.approx(4, rel=0.05), pytest.approx(-2, rel=0.05))
    crossing = brentq(lambda score: decision.log_likelihood_ratios(np.array([score]))[0], -5, 5)
    assert crossing == pytest.approx(0.5, abs=0.03)


def test_scores_that_part_the_classes_claim_no_more_than_their_number_shows():
    """Platt's targets: of n utterances a class, the odds are at most n + 1."""
    spoof = np.repeat([False, True], [30, 30])
    scores = np.where(spoof, -1.0, 1.0)
    ratios = fit_decision(scores, spoof).log_likelihood_ratios(scores)
    np.testing.assert_allclose(ratios, np.where(spoof, -1, 1) * np.log(31), rtol=1e-2)
