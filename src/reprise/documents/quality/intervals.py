"""How far the choice of pages may move a score: bootstrap intervals (Efron and Tibshirani, 1993, chapter 13)."""

from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 1000
VALUES_AT_ONCE = 2_000_000  # weights of draws, which bounds the memory
BOUNDS = (0.025, 0.975)


def bootstrap_draws(statistic: Callable[[np.ndarray], np.ndarray], groups: np.ndarray, seed: int) -> np.ndarray:
    """A statistic of draws of whole groups of pages, (D,).

    Args:
        statistic: of weights (B, N), how often each draw took a page, the statistic (B,).
        groups: (N,) of the pages: near-duplicates are drawn together.
        seed: every call with the same seed and groups draws the same groups.
    """
    names, own = np.unique(groups, return_inverse=True)
    count = len(names)
    if count == 1:  # of which SciPy draws nothing
        return statistic(np.ones((1, len(own))))

    def of_draws(drawn: np.ndarray, axis: int) -> np.ndarray:
        places = drawn + count * np.arange(len(drawn))[:, None]
        counts = np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape)
        return statistic(counts[:, own].astype(np.float64))

    return bootstrap(
        (np.arange(count),),
        of_draws,
        n_resamples=RESAMPLES,
        batch=max(1, VALUES_AT_ONCE // len(own)),
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).bootstrap_distribution
