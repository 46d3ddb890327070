"""Training of the baseline: statistics of a corpus, and a support vector machine on them."""

from typing import Any

import numpy as np
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from reprise.core.seed import derive_seed
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.baseline import STATISTICS, Baseline, PooledStatistics
from reprise.deepfake.detector.copies import change_of
from reprise.deepfake.quality.metrics import equal_error_rate

PENALTIES = (3.0, 10.0, 30.0)  # of the machine's errors; chosen on dev
COPIES = 4  # re-syntheses for each one that the network learns; those of an utterance weigh as one spoof together


@torch.inference_mode()
def corpus_statistics(corpus: Corpus) -> np.ndarray:
    """Statistics of all utterances, (N, STATISTICS)."""
    pooled = PooledStatistics()
    return np.stack([pooled(torch.from_numpy(corpus.waveform(row))[None])[0].numpy() for row in range(len(corpus))])


@torch.inference_mode()
def resynthesised_statistics(corpus: Corpus, count: int, seed: int) -> np.ndarray:
    """Statistics (M, STATISTICS) of `count` random re-syntheses of each natural utterance."""
    pooled, found = PooledStatistics(), []
    for row in np.flatnonzero(~corpus.spoof).tolist():
        for number in range(count):
            made = change_of("resynthesis", derive_seed(seed, "resynthesis", row, number))(corpus.waveform(row))
            found.append(pooled(torch.from_numpy(made)[None])[0].numpy())
    return np.array(found, np.float32).reshape(-1, STATISTICS)


def train_baseline(
    train: np.ndarray, spoof: np.ndarray, made: np.ndarray, dev: np.ndarray, dev_spoof: np.ndarray
) -> tuple[Baseline, float]:
    """Train a machine for each penalty, and keep the one with the best dev EER (the smallest penalty among equals).

    Args:
        train: (N, STATISTICS).
        spoof: (N,) bool.
        made: (R, STATISTICS), of re-syntheses, further spoofs: of each natural utterance equally many.
        dev: (M, STATISTICS).
        dev_spoof: (M,) bool.

    Returns:
        The machine and its penalty.
    """
    statistics, labels = np.concatenate([train, made]), np.concatenate([spoof, np.ones(len(made), bool)])
    weights = np.concatenate([np.ones(len(train)), np.full(len(made), (~spoof).sum() / max(len(made), 1))])
    trained: list[tuple[float, Baseline, float]] = []
    for penalty in PENALTIES:
        scaler, machine = StandardScaler(), SVC(C=penalty, gamma=1 / STATISTICS, class_weight="balanced")
        make_pipeline(scaler, machine).fit(statistics, labels, svc__sample_weight=weights)
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
