"""Temperature scaling, and how well confidence matches accuracy."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from reprise.core.bootstrap import BOUNDS, bootstrap_draws
from reprise.documents.network.out_of_fold import OutOfFold
from reprise.documents.network.views import average_views

logger = logging.getLogger("reprise")


BINS = 15
TEMPERATURES = (0.25, 16.0)  # a network that is always right is likeliest at 0, where probabilities are mere votes
TINY = 1e-300  # keeps the logarithm of a probability that is 0 finite
AT_BOUND = 1e-3  # closer than this factor to a bound, the optimum lies outside


def fit_temperature(logits: np.ndarray, targets: np.ndarray, damaged: np.ndarray | None = None) -> float:
    """Find the T within TEMPERATURES that makes the targets likeliest (Guo et al., ICML 2017, section 4.2).

    Args:
        logits: (N, C), under softmax(logits / T).
        targets: (N,) classes.
        damaged: (V, N, K) of the views of damaged copies, which count as much as the pages; None: there are none.
    """
    logits = logits.astype(np.float64)

    def objective(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        if damaged is None:
            return negative_log_likelihood(logits, targets, temperature)
        return joint_loss(logits, damaged, targets, temperature)

    low, high = (math.log(bound) for bound in TEMPERATURES)
    found = minimize_scalar(objective, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x)


def joint_loss(
    logits: np.ndarray, damaged: np.ndarray, targets: np.ndarray, temperature: "float | np.ndarray" = 1.0
) -> float:
    """Mean negative log-likelihood of targets (N,) for pages (N, C) and damaged copies (V, N, K), half and half."""
    pages = negative_log_likelihood(logits, targets, temperature)
    return (pages + negative_log_likelihood(log_views(damaged, logits.shape[1], temperature), targets)) / 2


def log_views(logits: np.ndarray, classes: int, temperature: "float | np.ndarray" = 1.0) -> np.ndarray:
    """Log-probabilities (N, C) from the logits (V, N, K) of views; T may differ by page (N, 1)."""
    return np.log(average_views(logits.astype(np.float64), classes, temperature) + TINY)


def at_bound(temperature: float) -> bool:
    """Whether a temperature is the lowest or the highest that is tried."""
    return bool(np.isclose(temperature, TEMPERATURES, rtol=AT_BOUND).any())


def cross_fitted_temperatures(
    logits: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    chosen: Sequence[int],
    damaged: np.ndarray | None = None,
) -> dict[int, float]:
    """Fit each fold's temperature to the pages of the others; with one fold, to its own.

    Args:
        logits: (N, C).
        targets: (N,) classes.
        folds: (N,) of the pages.
        chosen: the folds.
        damaged: (V, N, K) of damaged copies, or None.
    """
    if len(chosen) == 1:
        return {chosen[0]: fit_temperature(logits, targets, damaged)}
    others = {fold: folds != fold for fold in chosen}
    return {
        fold: fit_temperature(logits[rows], targets[rows], None if damaged is None else damaged[:, rows])
        for fold, rows in others.items()
    }


def compare(
    out_of_fold: OutOfFold, damaged: np.ndarray, temperatures: dict[int, float] | None, groups: np.ndarray, seed: int
) -> "tuple[dict[str, Any], dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]":
    """Measure calibration before and after, of the pages as they are stored and of damaged copies with their views.

    The temperature stays 1 where the likelihood of the pages of other folds does not gain.

    Args:
        out_of_fold: of N pages.
        damaged: (V, N, K) logits of the views of their damaged copies.
        temperatures: by fold, cross-fitted; None: the temperature is 1, without a fit.
        groups: (N,) of the pages: near-duplicates are drawn together.
        seed: of the bootstrap.

    Returns:
        The report, and the reliability curves by title.
    """
    logits, targets = out_of_fold.logits.astype(np.float64), out_of_fold.targets
    by_fold = temperatures or dict.fromkeys(out_of_fold.folds.tolist(), 1.0)
    each = np.array([by_fold[fold] for fold in out_of_fold.folds])[:, None]  # (N, 1)
    temperature = 1.0 if temperatures is None else fit_temperature(logits, targets, damaged)
    if temperatures is not None and joint_loss(logits, damaged, targets, each) >= joint_loss(logits, damaged, targets):
        logger.warning("no temperature improves the likelihood of pages of other folds: it stays 1")
        temperature, each = 1.0, np.ones_like(each)
    raw, scaled = softmax(logits, axis=1), softmax(logits / each, axis=1)
    views_raw, views_scaled = (log_views(damaged, logits.shape[1], values) for values in (1.0, each))  # (N, C)
    report = {
        "temperature": temperature,
        "ece_before": calibration_error(raw, targets),
        "ece_after": calibration_error(scaled, targets),
        "ece_after_ci95": calibration_error_interval(scaled, targets, groups, seed),
        "nll_before": negative_log_likelihood(logits, targets),
        "nll_after": negative_log_likelihood(logits, targets, each),
        "damaged": {
            "ece_before": calibration_error(np.exp(views_raw), targets),
            "ece_after": calibration_error(np.exp(views_scaled), targets),
            "nll_before": negative_log_likelihood(views_raw, targets),
            "nll_after": negative_log_likelihood(views_scaled, targets),
        },
        "temperature_by_fold": {str(fold): value for fold, value in by_fold.items()},
        "pages": len(targets),
    }
    return report, {"before": reliability(raw, targets), "after": reliability(scaled, targets)}


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray, temperature: "float | np.ndarray" = 1.0) -> float:
    """Mean negative log-likelihood of targets (N,) under softmax(logits (N, C) / T); T may differ by page (N, 1)."""
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(targets)), targets].mean())


def calibration_error(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Expected calibration error over 15 equal bins of confidence (Guo et al., equation 3).

    torchmetrics has it too, but takes longer to import than the stage to run; a test compares the two.
    """
    confidence, accuracy, pages = reliability(probabilities, targets)
    return float(np.nansum(pages * np.abs(accuracy - confidence)) / len(targets))


def calibration_error_interval(
    probabilities: np.ndarray, targets: np.ndarray, groups: np.ndarray, seed: int
) -> list[float]:
    """95 % interval of the expected calibration error of probabilities (N, C), four decimals.

    Fewer different pages in a bin raise the error: draws lie above the figure, by as much on average as the figure lies
    above that of endlessly many pages. The percentiles are moved down by this bias (chapter 10), not below 0, so that
    the interval lies about the figure beside which it stands.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == targets
    excess = np.where(bins_of(confidence)[:, None] == np.arange(BINS), (right - confidence)[:, None], 0.0)  # (N, bins)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1)

    draws = bootstrap_draws(statistic, groups, seed)
    bias = draws.mean() - statistic(np.ones((1, len(targets))))[0]
    return np.maximum(np.quantile(draws, BOUNDS) - bias, 0).round(4).tolist()


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, accuracy and number of pages in each bin, (15,) each; NaN where a bin is empty."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == targets
    bins = bins_of(confidence)
    pages = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bins, weights=values, minlength=BINS) / pages for values in (confidence, right)]
    return means[0], means[1], pages


def bins_of(confidence: np.ndarray) -> np.ndarray:
    """Which of the BINS equal bins each confidence (N,) lies in, (N,)."""
    return np.minimum((confidence * BINS).astype(int), BINS - 1)
