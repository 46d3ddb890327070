"""How far the choice of speakers may move a figure."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from reprise.core.bootstrap import BOUNDS, bootstrap_draws
from reprise.deepfake.data.protocols import UNKNOWN


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
    draws = bootstrap_draws(statistics, speakers, seed)
    return np.nanquantile(draws, BOUNDS, axis=-1).T.round(4).tolist()
