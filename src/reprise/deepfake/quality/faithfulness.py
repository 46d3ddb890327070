"""How good an explanation is: does it find what was spoofed, and does the detector change its mind without it?

Where a natural twin of a spoof exists, frames are taken out by putting the twin's in their place. Silence in their
place would be something that the detector has never heard, and would make the order by energy look best.

What is taken out or put in is one stretch, that of the highest mean importance, not the most important frames wherever
they lie: frames scattered at random make a seam each, the detector hears seams, and so random importance won.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from reprise.core.seed import derive_seed
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.data.protocols import UNKNOWN
from reprise.deepfake.data.splice import fit_length
from reprise.deepfake.data.windows import Windows
from reprise.deepfake.explainer.curve import FRAME
from reprise.deepfake.quality.importance import Importance
from reprise.deepfake.quality.intervals import bootstrap_intervals
from reprise.deepfake.quality.metrics import equal_error_rate

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # of the frames, of the deletion and insertion curves
TOP = 0.2  # of the frames, for comprehensiveness and sufficiency
LOCALISATION = ("localisation_auc", "localisation_auc_ci95", "pointing_game", "pointing_game_ci95", "segment_eer")
FADE = 80  # samples of the edges of what is replaced


def frame_labels(samples: int, spans: Iterable[Sequence[int]]) -> np.ndarray:
    """Tell which frames (M,) bool lie by more than half in stretches [start, end) of samples."""
    frames = np.arange(max(1, samples // FRAME)) * FRAME
    inside = np.zeros(len(frames))
    for start, end in spans:
        inside += np.maximum(0, np.minimum(frames + FRAME, end) - np.maximum(frames, start))
    return inside > FRAME / 2


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
    """The stretch (M,) bool of so many frames that has the highest mean importance; among equals the earliest."""
    count = round(fraction * len(importance))
    sums = np.convolve(importance, np.ones(count), "valid") if count else np.zeros(1)
    start = int(np.flatnonzero(sums >= sums.max() - 1e-9)[0])
    chosen = np.zeros(len(importance), bool)
    chosen[start : start + count] = True
    return chosen


def faithfulness(
    samples: np.ndarray,
    natural: np.ndarray,
    importances: Mapping[str, np.ndarray],
    spoof_probabilities: Callable[[Iterator[np.ndarray]], np.ndarray],
) -> dict[str, dict[str, float]]:
    """Measure how the probability of a spoof changes as the most important stretch is taken out, or put in alone.

    Args:
        samples: (N,) of a spoof.
        natural: (N,), what frames are replaced with.
        importances: (M,) by frame, of each method.
        spoof_probabilities: of several recordings, which are made as it takes them, each different one once.

    Returns:
        For each method the areas under the curves of deletion (lower is better) and insertion (higher is better) over
        the stretch's length; comprehensiveness, the fall without a fifth (higher is better), and sufficiency, the fall
        with that fifth alone (lower is better; DeYoung et al., ACL 2020).
    """
    chosen = {
        name: [most_important(importance, fraction) for fraction in FRACTIONS]
        for name, importance in importances.items()
    }
    different = {frames.tobytes(): frames for stretches in chosen.values() for frames in stretches}
    deleted = (replace_frames(samples, natural, frames) for frames in different.values())
    inserted = (replace_frames(natural, samples, frames) for frames in different.values())
    values = spoof_probabilities(itertools.chain(deleted, inserted))
    by_frames = dict(zip(different, zip(values[: len(different)], values[len(different) :], strict=True), strict=True))
    return {name: _curves([by_frames[frames.tobytes()] for frames in each]) for name, each in chosen.items()}


def _curves(points: Sequence[tuple[float, float]]) -> dict[str, float]:
    """What `faithfulness` says of a method, from the probabilities without each of its stretches and with it alone."""
    deletion, insertion = np.array(points).T  # (FRACTIONS,) each
    top = FRACTIONS.index(TOP)
    return {
        "deletion_auc": float(np.trapezoid(deletion, FRACTIONS)),
        "insertion_auc": float(np.trapezoid(insertion, FRACTIONS)),
        "comprehensiveness": float(deletion[0] - deletion[top]),
        "sufficiency": float(deletion[0] - insertion[top]),
    }


def localise(method: Importance, partial: Corpus, windows: Windows, speakers: np.ndarray, seed: int) -> dict[str, Any]:
    """Measure how well importance finds the spoofed stretches of partial spoofs.

    Args:
        method: gives importance by frame.
        partial: N partial spoofs.
        windows: of them.
        speakers: (N,) names; what shares one is drawn together.
        seed: of the bootstrap.

    Returns:
        `localisation_auc`, the ROC-AUC of frames, and `pointing_game`, each as the mean over utterances and, beside it,
        its 95 % interval (`_ci95`); `segment_eer`, over all frames together. None without a partial spoof.
    """
    if not len(partial):
        return dict.fromkeys(LOCALISATION)
    areas, hits, scores, labels = [], [], [], []
    for row in range(len(partial)):
        samples, source = partial.waveform(row), partial.table.iloc[row]
        importance = method(samples, windows.utterance(row))
        spoofed = frame_labels(len(samples), source["spans"])
        areas.append(float(roc_auc_score(spoofed, importance)))
        hits.append(pointing_hit(importance, spoofed))
        scores.append(importance)
        labels.append(spoofed)
    values = np.array([areas, hits])  # (2, N)
    intervals = bootstrap_intervals(lambda weights: values @ weights.T / weights.sum(axis=1), speakers, seed)
    segment_eer = equal_error_rate(-np.concatenate(scores), np.concatenate(labels))
    found = float(np.mean(areas)), intervals[0], float(np.mean(hits)), intervals[1], segment_eer
    return dict(zip(LOCALISATION, found, strict=True))


def choose_spoofs(corpus: Corpus, count: int, seed: int) -> np.ndarray:
    """Draw spoofs (n,) of a split to measure faithfulness on, those with a twin first."""
    generator = np.random.default_rng(derive_seed(seed, "spoofs"))
    rows = generator.permutation(np.flatnonzero(corpus.spoof))
    return np.sort(rows[np.argsort(corpus.twin[rows] < 0, kind="stable")][:count])


def replacements(corpus: Corpus, rows: np.ndarray, seed: int) -> "tuple[list[np.ndarray], Counter[str]]":
    """Find what frames of spoofs are replaced with: the natural twin.

    Without a twin it is natural speech of the same speaker, else of any, at the same loudness.

    Returns:
        Samples (N,) for each row, and how often each kind was taken.
    """
    generator = np.random.default_rng(derive_seed(seed, "replacements"))
    speakers, natural = corpus.table["speaker"].to_numpy(), np.flatnonzero(~corpus.spoof)
    found, kinds = [], Counter[str]()
    for row in rows.tolist():
        samples = corpus.waveform(row)
        own = natural[(speakers[natural] == speakers[row]) & (speakers[natural] != UNKNOWN)]
        if corpus.twin[row] >= 0:
            other, kind = corpus.waveform(int(corpus.twin[row])), "twin"
        else:
            pool, kind = (own, "same_speaker") if len(own) else (natural, "other_speaker")
            other = corpus.waveform(int(generator.choice(pool)))
            other = other * (np.sqrt(np.mean(samples**2)) / max(float(np.sqrt(np.mean(other**2))), 1e-6))
        found.append(fit_length(other, len(samples)).astype(np.float32))
        kinds[kind] += 1
    return found, kinds
