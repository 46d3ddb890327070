"""The floor that a network has to beat: a support vector machine on pooled spectral statistics.

It errs where the network does not, so prediction takes the mean of both: see docs/deepfake.md.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model
from reprise.core.params import Params, parse_params
from reprise.core.weights import rebuild
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.features import (
    BINS,
    CEPSTRA,
    HIGHEST,
    Cepstra,
    deviation_over_time,
    linear_filters,
    power_spectrum,
    quantile_over_time,
    scale_loudness,
)
from reprise.deepfake.paths import BASELINE

QUANTILE = 0.05
KEPT = int(HIGHEST / RATE * BINS) + 1  # bins of the spectrum that are read
STATISTICS = 3 * CEPSTRA + 4 * KEPT
FLOOR = 1e-8  # of the power, before the logarithm: what rounding to 16 bits leaves in a bin


class BaselineDescription(Params):
    """What a baseline's file says of it."""

    task: Literal["deepfake-baseline"]
    penalty: float  # of errors, chosen on dev
    resyntheses: int  # of each natural utterance of train, learned as further spoofs
    channel_copies: int = 0  # of each utterance of train; files from before they were learned do not say


class PooledStatistics(nn.Module):
    """Statistics over time of an utterance's cepstra, and of each bin of its spectrum.

    Spread of the cepstra and their deltas; spread, mean change, skew and 5 % quantile of the logarithmic power.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", linear_filters(), persistent=False)
        self.filters: Tensor
        self.cepstra = Cepstra()

    def power(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, T, BINS / 2 + 1)."""
        return power_spectrum(samples)

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, N) at any loudness -> (B, STATISTICS)."""
        power = self.power(scale_loudness(samples))
        energies = (power @ self.filters).clamp(min=FLOOR).log()  # (B, T, FILTERS)
        bins = power[..., :KEPT].clamp(min=FLOOR).log()
        bins = bins - bins.mean(1, keepdim=True)
        spread = deviation_over_time(bins)
        parts = [
            deviation_over_time(self.cepstra(energies - energies.mean(1, keepdim=True))),
            spread,
            (bins[:, 1:] - bins[:, :-1]).abs().mean(1),
            bins.pow(3).mean(1) / spread.clamp(min=1e-3).pow(3),
            quantile_over_time(bins, QUANTILE),
        ]
        return torch.cat(parts, 1)


class Baseline(nn.Module):
    """A support vector machine with a radial kernel, as scikit-learn's SVC fits it to standardised statistics.

    Args:
        vectors: K, how many support vectors there are.
    """

    def __init__(self, vectors: int) -> None:
        super().__init__()
        self.statistics = PooledStatistics()
        self.register_buffer("mean", torch.zeros(STATISTICS))
        self.register_buffer("deviation", torch.ones(STATISTICS))
        self.register_buffer("vectors", torch.zeros(vectors, STATISTICS))
        self.register_buffer("weights", torch.zeros(vectors))
        self.register_buffer("gamma", torch.ones(()))
        self.register_buffer("intercept", torch.zeros(()))
        self.mean: Tensor
        self.deviation: Tensor
        self.vectors: Tensor
        self.weights: Tensor
        self.gamma: Tensor
        self.intercept: Tensor

    def judge(self, statistics: Tensor) -> Tensor:
        """Statistics (B, STATISTICS) -> scores (B,), high for natural speech."""
        standard = (statistics - self.mean) / self.deviation
        distances = (standard[:, None] - self.vectors).square().sum(2)  # (B, K)
        return -((-self.gamma * distances).exp() * self.weights).sum(1) - self.intercept

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, N) -> scores (B,)."""
        return self.judge(self.statistics(samples))

    @torch.inference_mode()
    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """Scores (N,) of statistics (N, STATISTICS), one row after the other."""
        rows = torch.from_numpy(np.ascontiguousarray(statistics, np.float32))
        return np.array([float(self.judge(row[None])[0]) for row in rows])

    @torch.inference_mode()
    def score(self, samples: np.ndarray) -> float:
        """Score of samples (N,)."""
        return float(self(torch.from_numpy(samples)[None])[0])


def save_baseline(baseline: Baseline, penalty: float, resyntheses: int, channel_copies: int) -> None:
    """Write a baseline with its description."""
    description = BaselineDescription(
        task="deepfake-baseline", penalty=penalty, resyntheses=resyntheses, channel_copies=channel_copies
    )
    save_model(BASELINE, baseline.state_dict(), description.model_dump())


def load_baseline(path: Path = BASELINE) -> Baseline:
    """Read a baseline.

    Raises:
        InputError: missing, damaged or another model.
    """
    tensors, metadata = load_model(path)
    parse_params(metadata, BaselineDescription, str(path))
    weights = tensors.get("weights")
    if weights is None or weights.ndim != 1:
        raise InputError(f"{path}: no weights of support vectors")
    return rebuild(lambda: Baseline(len(weights)), tensors, path).eval()
