"""How good an explanation is: does it find what was spoofed, and does the detector change its mind without it?

Frames last 20 ms. Where a natural twin of a spoof exists, frames are taken out by putting the twin's in their place;
blanks would be something that the detector has never heard, and the true order would look worse than that of energy.
"""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

from reprise.deepfake.data.audio import RATE

FRAME = int(0.02 * RATE)  # samples
FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # of the frames, of the deletion and insertion curves
TOP = 0.2  # of the frames, for comprehensiveness and sufficiency
FADE = 80  # samples of the edges of what is replaced


def frame_labels(samples: int, start: int, end: int) -> np.ndarray:
    """Which frames (M,) bool lie, for more than half of them, in samples [start, end)."""
    frames = np.arange(max(1, samples // FRAME)) * FRAME
    inside = np.minimum(frames + FRAME, end) - np.maximum(frames, start)
    return inside > FRAME / 2


def resample_importance(values: np.ndarray, frames: int) -> np.ndarray:
    """Importance (K,) at equal distances -> (frames,), by straight lines between centres."""
    places = (np.arange(frames) + 0.5) / frames * len(values) - 0.5
    return np.interp(places, np.arange(len(values)), values)


def localisation(importance: np.ndarray, labels: np.ndarray) -> float:
    """ROC-AUC of frames' importance (M,) against labels (M,) bool."""
    return float(roc_auc_score(labels, importance))


def pointing_hit(importance: np.ndarray, labels: np.ndarray) -> float:
    """Share of the most important frames that are spoofed: 1 or 0, but where several are equally important."""
    return float(labels[importance == importance.max()].mean())


def replace_frames(samples: np.ndarray, other: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Samples (N,) with the frames (M,) bool taken from another recording (N,), the edges faded."""
    held = np.repeat(frames.astype(np.float64), FRAME)
    held = np.pad(held, (0, max(0, len(samples) - len(held))), "edge")[: len(samples)]
    share = np.convolve(np.pad(held, FADE // 2, "edge"), np.ones(FADE + 1) / (FADE + 1), "valid")
    return samples + share.astype(np.float32) * (other - samples)


def most_important(importance: np.ndarray, fraction: float) -> np.ndarray:
    """The most important frames (M,) bool; among equals the earlier."""
    chosen = np.zeros(len(importance), bool)
    chosen[np.argsort(-importance, kind="stable")[: round(fraction * len(importance))]] = True
    return chosen


def faithfulness(
    samples: np.ndarray,
    natural: np.ndarray,
    importance: np.ndarray,
    spoof_probabilities: "Callable[[list[np.ndarray]], np.ndarray]",
) -> dict[str, float]:
    """What taking out and putting in frames by importance does to the probability of a spoof.

    Args:
        samples: (N,) of a spoof.
        natural: (N,), what frames are replaced with.
        importance: (M,) by frame.
        spoof_probabilities: of several recordings.

    Returns:
        Areas under the curves of deletion (lower is better) and insertion (higher is better); comprehensiveness, the
        fall without the top fifth (higher is better), and sufficiency, the fall with the top fifth alone (lower is
        better; DeYoung et al., ACL 2020).
    """
    chosen = [most_important(importance, fraction) for fraction in FRACTIONS]
    deleted = [replace_frames(samples, natural, frames) for frames in chosen]
    inserted = [replace_frames(natural, samples, frames) for frames in chosen]
    values = spoof_probabilities(deleted + inserted)
    deletion, insertion = values[: len(FRACTIONS)], values[len(FRACTIONS) :]
    top = FRACTIONS.index(TOP)
    return {
        "deletion_auc": float(np.trapezoid(deletion, FRACTIONS)),
        "insertion_auc": float(np.trapezoid(insertion, FRACTIONS)),
        "comprehensiveness": float(deletion[0] - deletion[top]),
        "sufficiency": float(deletion[0] - insertion[top]),
    }
