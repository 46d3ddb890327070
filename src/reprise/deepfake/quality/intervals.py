"""How far the choice of speakers may move a figure: bootstrap intervals (Efron and Tibshirani, 1993, chapter 13)."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import DegenerateDataWarning, bootstrap

from reprise.deepfake.data.protocols import UNKNOWN

RESAMPLES = 1000
VALUES_AT_ONCE = 2_000_000  # weights of draws, which bounds the memory
BOUNDS = (0.025, 0.975)


def drawn_together(table: pd.DataFrame) -> np.ndarray:
    """Name for each utterance (N,) what chance draws as one: its speaker.

    An utterance of an unknown speaker is drawn by itself; so is each one where a split has a single speaker.
    """
    speakers, utterances = table["speaker"].to_numpy(), table["utterance"].to_numpy()
    names = np.where(speakers == UNKNOWN, utterances, speakers)
    return names if len(set(names)) > 1 else utterances


def bootstrap_intervals(
    statistics: Callable[[np.ndarray], np.ndarray], speakers: np.ndarray, seed: int
) -> list[list[float]]:
    """95 % percentile intervals of statistics, four decimals, from draws of whole speakers.

    Args:
        statistics: of weights (B, N), how often each draw took an utterance, the K statistics (K, B); NaN where a draw
            has none, which then does not count.
        speakers: (N,) names; what shares one is drawn together.
        seed: every call with the same seed and speakers draws the same speakers.

    Returns:
        Low and high of each of the K.
    """
    names, own = np.unique(speakers, return_inverse=True)
    count = len(names)

    def of_draws(drawn: np.ndarray, axis: int) -> np.ndarray:
        places = drawn + count * np.arange(len(drawn))[:, None]
        return statistics(np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape)[:, own])

    if count == 1:  # of which SciPy draws nothing
        values = statistics(np.ones((1, len(own)), dtype=np.int64))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateDataWarning)  # of its own interval, where a draw is NaN
            values = bootstrap(
                (np.arange(count),),
                of_draws,
                n_resamples=RESAMPLES,
                batch=max(1, VALUES_AT_ONCE // len(own)),
                vectorized=True,
                method="percentile",
                rng=np.random.default_rng(seed),
            ).bootstrap_distribution
    return np.nanquantile(values, BOUNDS, axis=-1).T.round(4).tolist()
