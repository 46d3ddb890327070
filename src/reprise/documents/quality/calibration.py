"""Temperature scaling and how well confidence matches accuracy."""

import warnings

import numpy as np
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold

BINS = 15


class LogitsAsFeatures(ClassifierMixin, BaseEstimator):
    """A classifier in scikit-learn's sense whose input is its output: log-probabilities (N, C).

    Args:
        count: C.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.classes_ = np.arange(count)

    def fit(self, X: np.ndarray, y: np.ndarray) -> "LogitsAsFeatures":
        """Nothing is learned."""
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Likeliest classes (N,)."""
        return X.argmax(1)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Softmax of logits (N, C)."""
        return np.exp(log_softmax(X, axis=1))


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature T that makes softmax(logits / T) most likely (Guo et al., ICML 2017, section 4.2).

    Args:
        logits: (N, C).
        targets: (N,) classes.
    """
    count = logits.shape[1]
    # scikit-learn wants two pages of each class; that many more without weight leave the likelihood as it is.
    padded = np.concatenate([logits.astype(np.float64), np.zeros((2 * count, count))])
    labels = np.concatenate([targets, np.repeat(np.arange(count), 2)])
    weights = np.concatenate([np.ones(len(targets)), np.full(2 * count, 1e-12)])
    frozen = FrozenEstimator(LogitsAsFeatures(count))  # so that the splits of `cv` change nothing
    calibrated = CalibratedClassifierCV(frozen, method="temperature", cv=KFold(2), ensemble=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Since FrozenEstimator", UserWarning)  # it has nothing to fit with weights
        calibrated.fit(padded, labels, sample_weight=weights)
    return 1.0 / float(calibrated.calibrated_classifiers_[0].calibrators[0].beta_)


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray, temperature: "float | np.ndarray" = 1.0) -> float:
    """Mean negative log-likelihood of targets (N,) under softmax(logits (N, C) / T); T may differ by page (N, 1)."""
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(targets)), targets].mean())


def calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Expected calibration error over 15 equal bins of confidence (Guo et al., equation 3)."""
    confidence, accuracy, pages = reliability(probabilities, targets)
    return float(np.nansum(pages * np.abs(accuracy - confidence)) / len(targets))


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy and number of pages in each bin, (15,) each; NaN where a bin is empty."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == targets
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    pages = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bins, weights=values, minlength=BINS) / pages for values in (confidence, right)]
    return means[0], means[1], pages
