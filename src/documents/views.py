"""The eight exact views of a square page: quarter turns and their mirror images.

View v in 0..3 is v quarter turns counter-clockwise, view v + 4 the same of the mirrored page. View 0 is the page.
"""

from torch import Tensor

VIEWS: dict[str, tuple[int, ...]] = {
    "none": (0,),
    "flips": (0, 4, 2, 6),  # as it is, mirrored, upside down, both
    "turns": (0, 1, 2, 3),
    "turns_and_flips": (0, 1, 2, 3, 4, 5, 6, 7),
}


def turn(images: Tensor, view: int) -> Tensor:
    """One view of a batch (B, C, S, S)."""
    mirrored = images.flip(-1) if view >= 4 else images
    return mirrored.rot90(view % 4, (-2, -1)) if view % 4 else mirrored


def turn_each(images: Tensor, views: Tensor) -> Tensor:
    """Each image (B, C, S, S) in a view (B,) of its own."""
    turned = images.clone()
    for view in views.unique().tolist():
        if view:
            chosen = views == view
            turned[chosen] = turn(images[chosen], view)
    return turned


def average_views(logits: Tensor, classes: int, temperature: float = 1.0) -> Tensor:
    """Class probabilities of pages from the logits of their views.

    The mean over the views of the softmax at a temperature. Where the network has one more output, "not upright", its
    share is left out and the rest scaled to sum 1: a view weighs as much as the network takes it for upright.
    Probabilities are averaged, never their logarithms: one view that rules a class out would veto all others.

    Args:
        logits: (V, N, K), with K = classes or classes + 1.
        classes: C.
        temperature: of the softmax.

    Returns:
        (N, C).
    """
    probabilities = (logits / temperature).softmax(-1)[..., :classes].sum(0)  # (N, C)
    return probabilities / probabilities.sum(-1, keepdim=True)
