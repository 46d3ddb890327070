"""The detector: a front-end, Conformer blocks with temporal-channel modelling, a branch of statistics, one logit.

Positive logits say synthesised. Shapes: B pieces of N samples, T frames of the front-end, M of the Conformer, D
dimensions.
"""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.deepfake.detector.conformer import ConformerBlock
from reprise.deepfake.detector.features import CEPSTRA, FILTERS, Cepstra, Filterbank, scale_loudness
from reprise.deepfake.recipe import Recipe

STATISTICS = 64  # dimensions of the branch's output
QUANTILE = 0.05


@dataclasses.dataclass(frozen=True)
class Output:
    """What the detector says of pieces.

    Attributes:
        logits: (B,) of the piece.
        frame_logits: (B, M).
        vectors: (B, V) before the logit: the one-class vector, or the readout.
    """

    logits: Tensor
    frame_logits: Tensor
    vectors: Tensor


class CepstralFrontEnd(nn.Module):
    """Cepstra (`lfcc`) of energies or the energies themselves (`logmel`), and two convolutions to frames of 40 ms.

    Args:
        kind: lfcc or logmel.
        dim: D.
    """

    def __init__(self, kind: str, dim: int) -> None:
        super().__init__()
        self.cepstra = Cepstra() if kind == "lfcc" else None
        channels = 3 * CEPSTRA if kind == "lfcc" else FILTERS
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.mean: Tensor
        self.deviation: Tensor
        self.convolutions = nn.Sequential(
            nn.Conv1d(channels, dim, 5, stride=2, padding=2),
            nn.BatchNorm1d(dim),
            nn.GELU(),
            nn.Conv1d(dim, dim, 5, stride=2, padding=2),
            nn.BatchNorm1d(dim),
            nn.GELU(),
        )

    def features(self, energies: Tensor) -> Tensor:
        """Energies (B, T, FILTERS) -> what the convolutions take, (B, T, C), not standardised."""
        return energies if self.cepstra is None else self.cepstra(energies)

    @torch.no_grad()
    def standardise_on(self, energies: list[Tensor]) -> None:
        """Measure mean and deviation of each channel on training pieces, each (1, T, FILTERS)."""
        features = torch.cat([self.features(piece).flatten(0, 1) for piece in energies])
        self.mean.copy_(features.mean(0))
        self.deviation.copy_(features.std(0))

    def forward(self, energies: Tensor) -> Tensor:
        """(B, T, FILTERS) -> (B, M, D)."""
        features = (self.features(energies) - self.mean) / self.deviation
        return self.convolutions(features.transpose(1, 2)).transpose(1, 2)


class SelfSupervisedFrontEnd(nn.Module):
    """A wav2vec2-type model of transformers, frozen or trained, projected to D dimensions; frames of 20 ms.

    Args:
        name: a hub name or a folder.
        weights: load them; else random ones.
        trained: whether it learns.
        dim: D.
        config: the model's shape, where it is not that of `name`.

    Raises:
        InputError: it cannot be loaded.
    """

    def __init__(self, name: str, weights: bool, trained: bool, dim: int, config: dict[str, Any]) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModel

        try:
            if weights:
                self.encoder = AutoModel.from_pretrained(name)
            elif config:
                self.encoder = AutoModel.from_config(AutoConfig.for_model(**config))
            else:
                self.encoder = AutoModel.from_config(AutoConfig.from_pretrained(name))
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"ssl_model {name!r} cannot be loaded: {reason}") from None
        self.trained = trained
        self.encoder.requires_grad_(trained)
        self.projection = nn.Linear(self.encoder.config.hidden_size, dim)

    def train(self, mode: bool = True) -> "SelfSupervisedFrontEnd":
        """Set the mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if not self.trained:
            self.encoder.eval()
        return self

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, N), normalised as wav2vec2 wants them -> (B, M, D)."""
        samples = (samples - samples.mean(1, keepdim=True)) / samples.std(1, keepdim=True).clamp(min=1e-5)
        with torch.set_grad_enabled(self.trained and torch.is_grad_enabled()):
            hidden = self.encoder(samples).last_hidden_state
        return self.projection(hidden)


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
        spread = energies.std(1)
        centred = energies - energies.mean(1, keepdim=True)
        skew = centred.pow(3).mean(1) / spread.clamp(min=1e-3).pow(3)
        change = energies.diff(dim=1).abs().mean(1)
        quiet = torch.quantile(energies, QUANTILE, dim=1)
        return torch.cat([self.cepstra(energies).std(1), spread, change, skew, quiet], 1)


class OneClassHead(nn.Module):
    """Logit = softplus(g) |z|^2 - b: what lies far from natural speech, in any direction, is synthesised.

    Args:
        inputs: dimensions of the readout.
        dimensions: of z.
    """

    def __init__(self, inputs: int, dimensions: int) -> None:
        super().__init__()
        self.projection = nn.Linear(inputs, dimensions)
        self.gain, self.bias = nn.Parameter(torch.tensor(-2.0)), nn.Parameter(torch.ones(()))

    def forward(self, readout: Tensor) -> tuple[Tensor, Tensor]:
        """(..., inputs) -> logits (...), z (..., dimensions)."""
        z = self.projection(readout)
        return F.softplus(self.gain) * z.square().sum(-1) - self.bias, z


class LinearHead(nn.Module):
    """A logit of the readout, with the readout as the vector."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.projection = nn.Linear(inputs, 1)

    def forward(self, readout: Tensor) -> tuple[Tensor, Tensor]:
        """(..., inputs) -> logits (...), readout."""
        return self.projection(readout).squeeze(-1), readout


class Detector(nn.Module):
    """Tells synthesised from natural speech.

    Args:
        recipe: its shape.
        ssl_config: of the self-supervised encoder, to build it for weights that come from elsewhere.
    """

    def __init__(self, recipe: Recipe, ssl_config: dict[str, Any] | None = None) -> None:
        super().__init__()
        dim = recipe.embedding
        self.front_end: CepstralFrontEnd | SelfSupervisedFrontEnd
        if recipe.front_end == "ssl":
            self.front_end = SelfSupervisedFrontEnd(
                recipe.ssl_model,
                recipe.ssl_weights and ssl_config is None,
                recipe.ssl_trained,
                dim,
                ssl_config or recipe.ssl_config,
            )
        else:
            self.front_end = CepstralFrontEnd(recipe.front_end, dim)
        self.filterbank = Filterbank("mel" if recipe.front_end == "logmel" else "linear")
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.blocks = nn.ModuleList(
            ConformerBlock(dim, recipe.heads, recipe.kernel, recipe.dropout) for _ in range(recipe.encoders)
        )
        self.statistics = StatisticsBranch() if recipe.statistics_branch else None
        readout = 3 * dim + (STATISTICS if recipe.statistics_branch else 0)
        self.dropout = nn.Dropout(recipe.dropout)
        self.head, self.frame_head = (
            OneClassHead(inputs, recipe.one_class_dimensions) if recipe.loss == "one_class" else LinearHead(inputs)
            for inputs in (readout, dim)
        )

    def forward(self, samples: Tensor) -> Output:
        """Samples (B, N) in [-1, 1] at any loudness."""
        samples = scale_loudness(samples)
        energies = self.filterbank(samples)  # (B, T, FILTERS)
        frames = self.front_end(samples if isinstance(self.front_end, SelfSupervisedFrontEnd) else energies)
        x = torch.cat([self.class_token.expand(len(frames), -1, -1), frames], 1)  # (B, 1 + M, D)
        for block in self.blocks:
            x = block(x)
        token, frames = x[:, 0], x[:, 1:]
        parts = [token, frames.mean(1), frames.std(1)]
        if self.statistics is not None:
            parts.append(self.statistics(energies))
        logits, vectors = self.head(self.dropout(torch.cat(parts, 1)))
        frame_logits, _ = self.frame_head(frames)
        return Output(logits, frame_logits, vectors)
