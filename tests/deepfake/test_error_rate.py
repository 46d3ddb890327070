import numpy as np
import pytest
from scipy.stats import norm

from reprise.deepfake.error_rate import equal_error_rate
from reprise.deepfake.quality import metrics


def test_training_and_evaluation_give_one_rate():
    generator, ties = np.random.default_rng(0), 0
    for _ in range(300):
        spoof = np.append(generator.random(generator.integers(2, 60)) < 0.5, [True, False])
        scores = np.round(generator.standard_normal(len(spoof)) + ~spoof, int(generator.integers(0, 3)))
        if equal_error_rate(scores, spoof) == pytest.approx(metrics.equal_error_rate(scores, spoof), abs=1e-6):
            continue
        # Single precision may choose the other one of two thresholds that are equally close.
        curve = metrics.error_curve(scores, spoof)
        gap = np.abs(curve.miss - curve.false_alarm).round(9)
        ties += 1
        assert (gap == gap.min()).sum() > 1
    assert ties <= 6


def test_large_scores_are_not_taken_for_equal():
    """torchmetrics takes a sigmoid of scores outside [0, 1], which is 1 for all of these."""
    scores = np.array([100.0, 130.0, 110.0, 120.0])
    assert equal_error_rate(scores, np.array([True, False, True, False])) == 0.0
    assert equal_error_rate(scores, np.array([False, True, False, True])) == 1.0


def test_scores_are_high_for_natural_speech_and_normals_have_their_known_rate():
    generator = np.random.default_rng(0)
    spoof = np.arange(100_000) % 2 == 1
    scores = generator.standard_normal(len(spoof)) + np.where(spoof, 0.0, 2.0)
    assert equal_error_rate(scores, spoof) == pytest.approx(norm.cdf(-1.0), abs=4e-3)
    assert equal_error_rate(np.zeros(4), np.array([True, True, False, False])) == 0.5
