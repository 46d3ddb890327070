"""The eight exact views of a square page: quarter turns and their mirror images.

View v in 0..3 is v quarter turns counter-clockwise, view v + 4 the same of the mirrored page. View 0 is the page.
"""

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp, softmax

if TYPE_CHECKING:  # whoever asks for the names of the views alone does without torch
    from torch import Tensor

VIEWS: dict[str, tuple[int, ...]] = {
    "none": (0,),
    "flips": (0, 4, 2, 6),  # as it is, mirrored, upside down, both
    "turns": (0, 1, 2, 3),
    "turns_and_flips": (0, 1, 2, 3, 4, 5, 6, 7),
}


def turn(images: "Tensor", view: int) -> "Tensor":
    """One view of a batch (B, C, S, S)."""
    mirrored = images.flip(-1) if view >= 4 else images
    return mirrored.rot90(view % 4, (-2, -1)) if view % 4 else mirrored


def turn_each(images: "Tensor", views: "Tensor") -> "Tensor":
    """Each image (B, C, S, S) in a view (B,) of its own."""
    turned = images.clone()
    for view in views.unique().tolist():
        if view:
            chosen = views == view
            turned[chosen] = turn(images[chosen], view)
    return turned


def average_views(logits: np.ndarray, classes: int, temperature: "float | np.ndarray" = 1.0) -> np.ndarray:
    """Class probabilities of pages from the logits of their views.

    The mean over the views of the softmax over the classes. Where the network has one more output, "not upright", the
    views weigh as they are likely to be the upright one: by Bayes' rule in proportion to the odds of the classes
    against that output, for of the eight one is upright. Elsewhere they weigh alike. Probabilities are averaged, never
    their logarithms: one view that rules a class out would veto all others.

    Args:
        logits: (V, N, K), with K = classes or classes + 1.
        classes: C.
        temperature: of both softmaxes; may differ by page (N, 1).

    Returns:
        (N, C).
    """
    logits = logits / temperature
    probabilities = softmax(logits[..., :classes], axis=-1)  # (V, N, C)
    if logits.shape[-1] == classes:
        return probabilities.mean(0)
    log_odds = logsumexp(logits[..., :classes], axis=-1) - logits[..., classes]  # (V, N)
    return (softmax(log_odds, axis=0)[..., None] * probabilities).sum(0)
