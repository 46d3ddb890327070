"""The floor that a detector has to beat: a support vector machine on pooled spectral statistics."""

import dataclasses
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.features import BINS, HIGHEST, Cepstra, linear_filters, power_spectrum, scale_loudness
from reprise.deepfake.quality.metrics import equal_error_rate

PENALTIES = (3.0, 10.0, 30.0)  # of the machine's errors; chosen on dev
QUANTILE = 0.05
KEPT = int(HIGHEST / RATE * BINS) + 1  # bins of the spectrum that are read
FLOOR = 1e-9  # of the power, before the logarithm: lower than the detector's, for the bins are narrower


@torch.inference_mode()
def pooled_statistics(samples: np.ndarray, filters: Tensor, cepstra: Cepstra) -> np.ndarray:
    """Statistics over time of an utterance's (N,) cepstra, and of each bin of its spectrum: (S,).

    Spread of the cepstra and their deltas; spread, mean change, skew and 5 % quantile of the logarithmic power.
    """
    power = power_spectrum(scale_loudness(torch.from_numpy(samples)[None]))[0]  # (T, BINS / 2 + 1)
    energies = torch.log(power @ filters + FLOOR)
    bins = torch.log(power[:, :KEPT] + FLOOR)
    bins = bins - bins.mean(0)
    spread = bins.std(0)
    parts = [
        cepstra((energies - energies.mean(0))[None])[0].std(0),
        spread,
        bins.diff(dim=0).abs().mean(0),
        bins.pow(3).mean(0) / spread.clamp(min=1e-3).pow(3),
        torch.quantile(bins, QUANTILE, dim=0),
    ]
    return torch.cat(parts).numpy()


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A trained machine.

    Attributes:
        pipeline: scaling and machine.
        penalty: the chosen one.
    """

    pipeline: Pipeline
    penalty: float

    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """Scores (N,) of statistics (N, S), high for natural speech."""
        return -self.pipeline.decision_function(statistics)

    def score(self, samples: np.ndarray) -> float:
        """Score of samples (N,)."""
        return float(self.scores(pooled_statistics(samples, linear_filters(), Cepstra())[None])[0])


def corpus_statistics(corpus: Corpus) -> np.ndarray:
    """Statistics of all utterances, (N, S)."""
    filters, cepstra = linear_filters(), Cepstra()
    return np.stack([pooled_statistics(corpus.waveform(row), filters, cepstra) for row in range(len(corpus))])


def train_baseline(train: np.ndarray, spoof: np.ndarray, dev: np.ndarray, dev_spoof: np.ndarray) -> Baseline:
    """Train a machine for each penalty, and keep the one with the best dev EER (the smallest penalty among equals).

    Args:
        train: (N, S) statistics.
        spoof: (N,) bool.
        dev: (M, S).
        dev_spoof: (M,) bool.
    """
    trained: list[tuple[float, Baseline]] = []
    for penalty in PENALTIES:
        machine: Any = make_pipeline(StandardScaler(), SVC(C=penalty, class_weight="balanced"))
        baseline = Baseline(machine.fit(train, spoof), penalty)
        trained.append((equal_error_rate(baseline.scores(dev), dev_spoof), baseline))
    return min(trained, key=lambda pair: pair[0])[1]
