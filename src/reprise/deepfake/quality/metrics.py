"""Error rates of speech detection. Scores are high for natural speech, as in the ASVspoof challenges.

Rates are fractions. scikit-learn counts errors at every threshold and fits the calibration; costs and Cllr follow their
published definitions, for no kept library has them.
"""

import dataclasses

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import det_curve

from reprise.deepfake.detector.decision import Decision
from reprise.deepfake.quality.intervals import bootstrap_intervals

PRIOR_SPOOF, COST_MISS, COST_FALSE_ALARM = 0.05, 1.0, 10.0  # ASVspoof 5 (Wang et al. 2024, section 2.4)


@dataclasses.dataclass(frozen=True)
class ErrorCurve:
    """Rates at every threshold that matters, from the lowest to the highest.

    Attributes:
        miss: share of natural utterances below the threshold.
        false_alarm: share of spoofs at or above it.
        thresholds: the scores; the last may be infinite.
    """

    miss: np.ndarray
    false_alarm: np.ndarray
    thresholds: np.ndarray

    def equal_error_place(self) -> int:
        """Where both rates are closest; of several such places the one with the highest threshold."""
        gap = np.abs(self.miss - self.false_alarm).round(9)  # rounding errors must not choose between equal ones
        return int(np.flatnonzero(gap == gap.min())[-1])


def error_curve(scores: np.ndarray, spoof: np.ndarray) -> ErrorCurve:
    """Count errors of scores (N,) with labels (N,) bool."""
    false_alarm, miss, thresholds = det_curve(~spoof, scores)
    return ErrorCurve(miss, false_alarm, thresholds)


def equal_error_rate(scores: np.ndarray, spoof: np.ndarray) -> float:
    """Where misses are as frequent as false alarms: their mean at the threshold where they are closest."""
    curve = error_curve(scores, spoof)
    place = curve.equal_error_place()
    return float((curve.miss[place] + curve.false_alarm[place]) / 2)


def equal_error_threshold(scores: np.ndarray, spoof: np.ndarray) -> float:
    """The score at which the rates are closest."""
    curve = error_curve(scores, spoof)
    threshold = curve.thresholds[curve.equal_error_place()]
    return float(threshold if np.isfinite(threshold) else scores.max() + 1.0)


def error_rate_intervals(scores: np.ndarray, spoof: np.ndarray, speakers: np.ndarray, seed: int) -> list[list[float]]:
    """95 % intervals of the equal error rate and of minDCF, over draws of speakers that hold both classes.

    Args:
        scores: (N,).
        spoof: (N,) bool.
        speakers: (N,) names; what shares one is drawn together.
        seed: every call with the same seed and speakers draws the same speakers.
    """

    def statistics(weights: np.ndarray) -> np.ndarray:
        miss, false_alarm = drawn_curves(scores, spoof, weights)
        return np.stack([equal_error_rates(miss, false_alarm), detection_cost(miss, false_alarm).min(axis=1)])

    return bootstrap_intervals(statistics, speakers, seed)


def drawn_curves(scores: np.ndarray, spoof: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Misses and false alarms (B, T) of draws, from the lowest threshold to one above all scores.

    Args:
        scores: (N,).
        spoof: (N,) bool.
        weights: (B, N), how often each draw took an utterance. A draw without one of the classes has NaN for its rate.
    """
    order = np.argsort(scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # no threshold lies between equal scores
    drawn, refused = weights[:, order], []
    for chosen in (~spoof[order], spoof[order]):
        below = np.cumsum(drawn * chosen, axis=1)[:, ends]
        with np.errstate(invalid="ignore"):
            refused.append(np.insert(below, 0, 0, axis=1) / below[:, -1:])
    return refused[0], 1 - refused[1]


def equal_error_rates(miss: np.ndarray, false_alarm: np.ndarray) -> np.ndarray:
    """Equal error rates (B,) of curves (B, T), as `equal_error_rate` of each."""
    gap = np.abs(miss - false_alarm).round(9)
    place = gap.shape[1] - 1 - gap[:, ::-1].argmin(axis=1)
    rows = np.arange(len(gap))
    return (miss[rows, place] + false_alarm[rows, place]) / 2


def detection_cost(miss: np.ndarray, false_alarm: np.ndarray) -> np.ndarray:
    """Normalised detection cost: 1 is that of the better of two blind decisions."""
    cost_miss, cost_false = COST_MISS * (1 - PRIOR_SPOOF), COST_FALSE_ALARM * PRIOR_SPOOF
    return (cost_miss * miss + cost_false * false_alarm) / min(cost_miss, cost_false)


def minimum_cost(scores: np.ndarray, spoof: np.ndarray) -> float:
    """minDCF: the cost at the best threshold."""
    curve = error_curve(scores, spoof)
    return float(np.min(detection_cost(curve.miss, curve.false_alarm)))


def actual_cost(log_likelihood_ratios: np.ndarray, spoof: np.ndarray) -> float:
    """actDCF: the cost at the Bayes threshold of calibrated log likelihood ratios of natural against spoofed speech."""
    threshold = np.log(COST_FALSE_ALARM * PRIOR_SPOOF / (COST_MISS * (1 - PRIOR_SPOOF)))
    accepted = log_likelihood_ratios >= threshold
    return float(detection_cost((~accepted[~spoof]).mean(), accepted[spoof].mean()))


def likelihood_ratio_cost(log_likelihood_ratios: np.ndarray, spoof: np.ndarray) -> float:
    """Cllr in bits (Brümmer and du Preez, 2006, equation 9): 0 is perfect, 1 says nothing."""
    natural, false = log_likelihood_ratios[~spoof], log_likelihood_ratios[spoof]
    return float((np.logaddexp(0, -natural).mean() + np.logaddexp(0, false).mean()) / (2 * np.log(2)))


def fit_decision(scores: np.ndarray, spoof: np.ndarray) -> Decision:
    """Calibrate scores and choose the equal-error threshold.

    The calibration is a logistic regression of the label on the score, with equal weight of both classes (Brümmer and
    du Preez, 2006). Its targets are Platt's (1999): a label of n counts as 1 - 1 / (n + 2), so that scores which part
    the classes without an error do not claim a certainty that n utterances cannot show.
    """
    spread = max(float(scores.std()), 1e-9)
    weights = []
    for label in (False, True):  # of the label itself and of the other one, by utterance; each class weighs 1
        count = int((spoof == label).sum())
        weights.append(np.array([count + 1, 1]) / (count + 2) / count)
    likely = np.where(spoof, weights[1][0], weights[0][0])
    unlikely = np.where(spoof, weights[1][1], weights[0][1])
    model = LogisticRegression(C=1e4).fit(
        np.concatenate([scores, scores])[:, None] / spread,
        np.concatenate([~spoof, spoof]),
        np.concatenate([likely, unlikely]) * len(scores) / 2,
    )
    return Decision(
        threshold=equal_error_threshold(scores, spoof),
        scale=float(model.coef_[0, 0]) / spread,
        offset=float(model.intercept_[0]),
    )
