"""Whether a network has learned anything."""

import logging

import numpy as np
from scipy.special import bdtrc  # scipy.stats takes two seconds to import

from reprise.core.errors import InputError

logger = logging.getLogger("reprise")

CHANCE_LEVEL = 0.05  # p-value above which agreement with the labels counts as luck


def refuse_chance(fold: int, predicted: np.ndarray, targets: np.ndarray) -> None:
    """Refuse a network that is no better than chance: in the average over the folds nobody would notice it.

    A fold of few pages, or of one class, cannot tell: all its pages right could be luck, too. That is a warning.

    Args:
        fold: its number, for the message.
        predicted: (N,) classes.
        targets: (N,) classes.

    Raises:
        InputError: predictions agree with the labels no more than if they were dealt out at random.
    """
    agreed, count = int((predicted == targets).sum()), int(max(predicted.max(), targets.max())) + 1
    shares = [np.bincount(labels, minlength=count) / len(labels) for labels in (predicted, targets)]
    if float(shares[1] @ shares[1]) ** len(targets) > CHANCE_LEVEL:  # the p-value of all pages right
        logger.warning(
            "fold %d: whether it ended at chance cannot be told: even all %d pages right could be luck",
            fold,
            len(targets),
        )
        return
    by_chance = float(shares[0] @ shares[1])
    if bdtrc(agreed - 1, len(targets), by_chance) > CHANCE_LEVEL:  # P(as many right or more), binomial
        raise InputError(
            f"fold {fold} ended at chance: {agreed} of {len(targets)} pages right, "
            f"{by_chance * len(targets):.1f} expected by luck; try a lower lr, more epochs or other weights"
        )
