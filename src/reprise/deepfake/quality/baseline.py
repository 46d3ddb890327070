"""Training of the baseline: statistics of a corpus and of copies, and a support vector machine on them."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from reprise.core.seed import derive_seed
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.baseline import STATISTICS, Baseline, PooledStatistics
from reprise.deepfake.detector.copies import change_of
from reprise.deepfake.quality.metrics import equal_error_rate

PENALTIES = (3.0, 10.0, 30.0)  # of the machine's errors; chosen on dev
RESYNTHESES = 4  # for each one that the network learns; those of an utterance weigh as one spoof together
CHANNEL_COPIES, CHANNEL_WEIGHT = 4, 0.5  # of each utterance, which itself has weight 1; of all its copies together


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """What the baseline learns: statistics (N, STATISTICS), which of them are spoofs (N,) bool, and weights (N,)."""

    statistics: np.ndarray
    spoof: np.ndarray
    weights: np.ndarray


@torch.inference_mode()
def pool_statistics(recordings: Iterable[np.ndarray]) -> np.ndarray:
    """Statistics (N, STATISTICS) of recordings of any lengths."""
    pooled = PooledStatistics()
    found = [pooled(torch.from_numpy(samples)[None])[0].numpy() for samples in recordings]
    return np.array(found, np.float32).reshape(-1, STATISTICS)


def corpus_statistics(corpus: Corpus) -> np.ndarray:
    """Statistics (N, STATISTICS) of all utterances."""
    return pool_statistics(corpus.waveform(row) for row in range(len(corpus)))


def copy_statistics(corpus: Corpus, rows: Iterable[int], kind: str, count: int, seed: int) -> np.ndarray:
    """Statistics (M, STATISTICS) of `count` random copies of each of some utterances; kind: see `change_of`."""
    return pool_statistics(
        change_of(kind, derive_seed(seed, kind, row, number))(corpus.waveform(row))
        for row in rows
        for number in range(count)
    )


def make_training_set(corpus: Corpus, own: np.ndarray, resyntheses: int, seed: int) -> TrainingSet:
    """Put together utterances, their copies through channels, and re-syntheses of natural ones, which are spoofs.

    Without the copies, natural speech through a telephone looks more like a spoof than spoofs do.

    Args:
        corpus: N utterances to learn from.
        own: statistics (N, STATISTICS) of them.
        resyntheses: of each natural utterance; all of them together weigh as much as it and its copies.
        seed: of the copies.
    """
    natural = np.flatnonzero(~corpus.spoof)
    copies = copy_statistics(corpus, range(len(corpus)), "channel", CHANNEL_COPIES, seed)
    made = copy_statistics(corpus, natural.tolist(), "resynthesis", resyntheses, seed)
    spoof = [corpus.spoof, corpus.spoof.repeat(CHANNEL_COPIES), np.ones(len(made), bool)]
    weights = [1.0, CHANNEL_WEIGHT / CHANNEL_COPIES, (1 + CHANNEL_WEIGHT) / max(resyntheses, 1)]
    return TrainingSet(
        np.concatenate([own, copies, made]),
        np.concatenate(spoof),
        np.concatenate([np.full(len(part), weight) for part, weight in zip(spoof, weights, strict=True)]),
    )


def train_baseline(learned: TrainingSet, dev: np.ndarray, dev_spoof: np.ndarray) -> tuple[Baseline, float]:
    """Train a machine for each penalty, and keep the one with the best dev EER (the smallest penalty among equals).

    Natural speech and spoofs weigh the same in total.

    Args:
        learned: of the train split.
        dev: (M, STATISTICS).
        dev_spoof: (M,) bool.

    Returns:
        The machine and its penalty.
    """
    classes = np.array([False, True])
    balance = compute_class_weight("balanced", classes=classes, y=learned.spoof, sample_weight=learned.weights)
    weights = learned.weights * balance[learned.spoof.astype(int)]  # SVC's own `class_weight` would count rows
    trained: list[tuple[float, Baseline, float]] = []
    for penalty in PENALTIES:
        scaler, machine = StandardScaler(), SVC(C=penalty, gamma=1 / STATISTICS)
        make_pipeline(scaler, machine).fit(learned.statistics, learned.spoof, svc__sample_weight=weights)
        baseline = as_module(scaler, machine)
        trained.append((equal_error_rate(baseline.scores(dev), dev_spoof), baseline, penalty))
    _, best, penalty = min(trained, key=lambda each: each[0])
    return best, penalty


def as_module(scaler: StandardScaler, machine: Any) -> Baseline:
    """Put a fitted scaler and an SVC, whose positive decisions say spoof, into a module."""

    def tensor(values: Any) -> Tensor:
        return torch.from_numpy(np.asarray(values, np.float32))

    baseline = Baseline(len(machine.support_vectors_))
    baseline.load_state_dict(
        {
            "mean": tensor(scaler.mean_),
            "deviation": tensor(scaler.scale_),
            "vectors": tensor(machine.support_vectors_),
            "weights": tensor(machine.dual_coef_[0]),
            "gamma": tensor(machine.gamma),
            "intercept": tensor(machine.intercept_[0]),
        }
    )
    return baseline.eval()
