"""What the detector reads of an utterance beside the Conformer: statistics of its spectrum, pooled Whisper states."""

import torch
from torch import Tensor, nn

from reprise.deepfake.detector.features import CEPSTRA, FILTERS, Cepstra, deviation_over_time, quantile_over_time

STATISTICS = 64  # dimensions of the branch's output
QUANTILE = 0.05


class StatisticsBranch(nn.Module):
    """How much an utterance varies: spread of cepstra and deltas; of each filter spread, mean change, skew, quantile.

    Vocoders smooth: their filters move less, and are less often quiet, than a voice's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cepstra = Cepstra()
        count = 3 * CEPSTRA + 4 * FILTERS
        self.network = nn.Sequential(
            nn.BatchNorm1d(count), nn.Dropout(0.2), nn.Linear(count, STATISTICS), nn.GELU(), nn.LayerNorm(STATISTICS)
        )

    def forward(self, energies: Tensor) -> Tensor:
        """(B, T, FILTERS) -> (B, STATISTICS)."""
        return self.network(self.statistics(energies))

    def statistics(self, energies: Tensor) -> Tensor:
        """(B, T, FILTERS) -> (B, 3 CEPSTRA + 4 FILTERS)."""
        spread = deviation_over_time(energies)
        centred = energies - energies.mean(1, keepdim=True)
        skew = centred.pow(3).mean(1) / spread.clamp(min=1e-3).pow(3)
        change = (energies[:, 1:] - energies[:, :-1]).abs().mean(1)
        quiet = quantile_over_time(energies, QUANTILE)
        return torch.cat([deviation_over_time(self.cepstra(energies)), spread, change, skew, quiet], 1)


class PooledStates(nn.Module):
    """Mean and deviation over time of Whisper's states, as logistic regressions on them read best.

    Args:
        width: of the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.BatchNorm1d(2 * width),
            nn.Dropout(0.2),
            nn.Linear(2 * width, STATISTICS),
            nn.GELU(),
            nn.LayerNorm(STATISTICS),
        )

    def forward(self, states: Tensor) -> Tensor:
        """(B, M, width) -> (B, STATISTICS)."""
        return self.network(torch.cat([states.mean(1), deviation_over_time(states)], 1))
