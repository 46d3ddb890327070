"""Temperature scaling, and how well confidence matches accuracy."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BINS = 15
TEMPERATURES = (0.25, 16.0)  # a network that is always right is likeliest at 0, where probabilities are mere votes
AT_BOUND = 1e-3  # closer than this factor to a bound, the optimum lies outside


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Find the T within TEMPERATURES that makes softmax(logits / T) likeliest (Guo et al., ICML 2017, section 4.2).

    Args:
        logits: (N, C).
        targets: (N,) classes.
    """
    logits = logits.astype(np.float64)

    def objective(log_temperature: float) -> float:
        return negative_log_likelihood(logits, targets, math.exp(log_temperature))

    low, high = (math.log(bound) for bound in TEMPERATURES)
    found = minimize_scalar(objective, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x)


def at_bound(temperature: float) -> bool:
    """Whether a temperature is the lowest or the highest that is tried."""
    return bool(np.isclose(temperature, TEMPERATURES, rtol=AT_BOUND).any())


def cross_fitted_temperatures(
    logits: np.ndarray, targets: np.ndarray, folds: np.ndarray, chosen: Sequence[int]
) -> dict[int, float]:
    """Fit each fold's temperature to the pages of the others; with one fold, to its own.

    Args:
        logits: (N, C).
        targets: (N,) classes.
        folds: (N,) of the pages.
        chosen: the folds.
    """
    if len(chosen) == 1:
        return {chosen[0]: fit_temperature(logits, targets)}
    return {fold: fit_temperature(logits[folds != fold], targets[folds != fold]) for fold in chosen}


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray, temperature: "float | np.ndarray" = 1.0) -> float:
    """Mean negative log-likelihood of targets (N,) under softmax(logits (N, C) / T); T may differ by page (N, 1)."""
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(targets)), targets].mean())


def calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Expected calibration error over 15 equal bins of confidence (Guo et al., equation 3).

    torchmetrics has it too, but takes longer to import than the stage to run; a test compares the two.
    """
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
