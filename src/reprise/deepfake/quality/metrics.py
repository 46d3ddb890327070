"""Error rates of speech detection. Scores are high for natural speech, as in the ASVspoof challenges.

Rates are fractions. Thresholds follow scikit-learn's ROC curve; the rest is by its published definition, for no kept
library has it.
"""

import dataclasses

import numpy as np
from sklearn.metrics import roc_curve

PRIOR_SPOOF, COST_MISS, COST_FALSE_ALARM = 0.05, 1.0, 10.0  # ASVspoof 5 (Wang et al. 2024, section 2.4)
RESAMPLES = 1000  # of the bootstrap


@dataclasses.dataclass(frozen=True)
class ErrorCurve:
    """Rates at every threshold, from the lowest to the highest.

    Attributes:
        miss: share of natural utterances below the threshold.
        false_alarm: share of spoofs at or above it.
        thresholds: the scores.
    """

    miss: np.ndarray
    false_alarm: np.ndarray
    thresholds: np.ndarray


def error_curve(scores: np.ndarray, spoof: np.ndarray) -> ErrorCurve:
    """Rates of scores (N,) with labels (N,) bool."""
    false_alarm, hit, thresholds = roc_curve(~spoof, scores, drop_intermediate=False)
    return ErrorCurve(1 - hit[::-1], false_alarm[::-1], thresholds[::-1])


def equal_error_rate(scores: np.ndarray, spoof: np.ndarray) -> float:
    """Where misses are as frequent as false alarms: their mean at the threshold where they are closest."""
    curve = error_curve(scores, spoof)
    place = int(np.abs(curve.miss - curve.false_alarm).argmin())
    return float((curve.miss[place] + curve.false_alarm[place]) / 2)


def equal_error_threshold(scores: np.ndarray, spoof: np.ndarray) -> float:
    """The score at which the rates are closest."""
    curve = error_curve(scores, spoof)
    threshold = curve.thresholds[int(np.abs(curve.miss - curve.false_alarm).argmin())]
    return float(threshold if np.isfinite(threshold) else scores.max() + 1.0)


def bootstrap_interval(scores: np.ndarray, spoof: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % interval of the equal error rate, by drawing natural and spoofed utterances anew with replacement.

    Args:
        scores: (N,).
        spoof: (N,) bool.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(scores, kind="stable")
    spoof = spoof[order]
    last = np.flatnonzero(np.append(np.diff(scores[order]) > 0, True))  # of each run of equal scores
    rates = np.empty(RESAMPLES)
    for draw in range(RESAMPLES):
        below = {}  # share of a class up to each distinct score
        for label in (False, True):
            members = spoof == label
            times = np.zeros(len(spoof))  # how often each utterance is drawn
            times[members] = generator.multinomial(members.sum(), np.full(members.sum(), 1 / members.sum()))
            below[label] = np.append(0, np.cumsum(times)[last]) / members.sum()
        gap = np.abs(below[False] - (1 - below[True]))
        place = int(gap.argmin())
        rates[draw] = (below[False][place] + 1 - below[True][place]) / 2
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


def detection_cost(miss: "float | np.ndarray", false_alarm: "float | np.ndarray") -> "float | np.ndarray":
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


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Log likelihood ratio = scale * score + offset.

    Attributes:
        scale: positive.
        offset: at score 0.
    """

    scale: float
    offset: float

    def log_likelihood_ratios(self, scores: np.ndarray) -> np.ndarray:
        """Calibrated scores (N,)."""
        return self.scale * scores + self.offset


def fit_calibration(scores: np.ndarray, spoof: np.ndarray) -> Calibration:
    """Logistic regression of the label on the score, with equal weight of both classes (Brümmer and du Preez, 2006)."""
    from sklearn.linear_model import LogisticRegression

    spread = max(float(scores.std()), 1e-9)
    model = LogisticRegression(class_weight="balanced", C=100.0).fit(scores[:, None] / spread, ~spoof)
    return Calibration(float(model.coef_[0, 0]) / spread, float(model.intercept_[0]))
