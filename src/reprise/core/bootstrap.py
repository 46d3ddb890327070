"""Bootstrap draws of whole groups, for intervals of a figure (Efron and Tibshirani, 1993, chapter 13)."""

import warnings
from collections.abc import Callable

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap

RESAMPLES = 1000
VALUES_AT_ONCE = 2_000_000  # weights of draws, which bounds the memory
BOUNDS = (0.025, 0.975)  # quantiles of the draws that enclose 95 %


def bootstrap_draws(statistics: Callable[[np.ndarray], np.ndarray], groups: np.ndarray, seed: int) -> np.ndarray:
    """Statistics of draws of whole groups of items: (..., D).

    Args:
        statistics: of weights (B, N) float, how often each draw took an item, the statistics (..., B).
        groups: (N,) names; items that share one are drawn together.
        seed: decides which groups each draw takes.
    """
    names, own = np.unique(groups, return_inverse=True)
    count = len(names)
    if count == 1:  # SciPy refuses a single observation
        return statistics(np.ones((1, len(own))))

    def of_draws(drawn: np.ndarray, axis: int) -> np.ndarray:
        places = drawn + count * np.arange(len(drawn))[:, None]
        counts = np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape)
        return statistics(counts[:, own].astype(np.float64))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # of SciPy's own interval, where a draw is NaN
        return bootstrap(
            (np.arange(count),),
            of_draws,
            n_resamples=RESAMPLES,
            batch=max(1, VALUES_AT_ONCE // len(own)),
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
