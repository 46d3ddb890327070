"""Front-ends: from samples or filter energies to frames of D dimensions, 20 or 40 ms each.

Shapes: B pieces of N samples, T frames of 10 ms, M of the Conformer, D dimensions.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn

from reprise.core.errors import InputError
from reprise.deepfake.detector.features import CEPSTRA, FILTERS, Cepstra
from reprise.deepfake.detector.whisper import LogMel, build_encoder, hidden_states, load_encoder


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


class EncoderFrontEnd(nn.Module):
    """What front-ends with a pretrained encoder share.

    Args:
        encoder: a model of transformers.
        trained: whether it learns; else it stays in evaluation mode.
    """

    encoder: Any  # whose config says its shape

    def __init__(self, encoder: nn.Module, trained: bool) -> None:
        super().__init__()
        self.encoder, self.trained = encoder.requires_grad_(trained), trained

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if not self.trained:
            self.encoder.eval()
        return self


class SelfSupervisedFrontEnd(EncoderFrontEnd):
    """A wav2vec2-type model of transformers, frozen or trained, projected to D dimensions; frames of 20 ms.

    Args:
        name: a hub name or a folder.
        weights: load them; else random ones.
        trained: whether it learns.
        dim: D.
        config: the model's shape; None: that of `name`.

    Raises:
        InputError: it cannot be loaded.
    """

    def __init__(self, name: str, weights: bool, trained: bool, dim: int, config: dict[str, Any] | None) -> None:
        from transformers import AutoConfig, AutoModel

        try:
            if weights:
                encoder = AutoModel.from_pretrained(name)
            elif config is not None:
                encoder = AutoModel.from_config(AutoConfig.for_model(**config))
            else:
                encoder = AutoModel.from_config(AutoConfig.from_pretrained(name))
        except Exception as error:  # transformers and the hub's client have errors of many kinds for a wrong shape
            reason = " ".join(str(error).split())[:200]
            what = f"ssl_model {name!r}" if config is None or weights else "ssl_config"
            raise InputError(f"{what} cannot be loaded: {reason}") from error
        super().__init__(encoder, trained)
        self.projection = nn.Linear(encoder.config.hidden_size, dim)

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, N), normalised as wav2vec2 wants them -> (B, M, D)."""
        samples = (samples - samples.mean(1, keepdim=True)) / samples.std(1, keepdim=True).clamp(min=1e-5)
        with torch.set_grad_enabled(self.trained and torch.is_grad_enabled()):
            hidden = self.encoder(samples).last_hidden_state
        return self.projection(hidden)


class WhisperFrontEnd(EncoderFrontEnd):
    """Whisper's hidden states of all layers, weighed by learned weights, added to the frames of the cepstra.

    The upper layers carry over to synthesis that training lacks, the cepstra tell the vocoders at hand; each frame of a
    layer is normalised, so that no layer counts for its size.

    Args:
        name: a hub name or a folder.
        weights: load them; else random ones.
        trained: whether the encoder learns.
        dim: D.
        dropout: of the states.
        config: of random weights.
        pooled: whether a second weighted sum of the layers goes on at full width, to be pooled over time.

    Raises:
        InputError: it cannot be loaded.
    """

    def __init__(
        self, name: str, weights: bool, trained: bool, dim: int, dropout: float, config: dict[str, Any], pooled: bool
    ) -> None:
        encoder = load_encoder(name) if weights else build_encoder(config)
        super().__init__(encoder, trained)
        width = encoder.config.d_model
        self.log_mel = LogMel(encoder.config.num_mel_bins)
        self.layers = encoder.config.encoder_layers + 1
        self.layer_weights = nn.Parameter(torch.zeros(self.layers))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.projection = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, dim))
        self.pooled_weights = nn.Parameter(torch.zeros(self.layers)) if pooled else None
        self.cepstral = CepstralFrontEnd("lfcc", dim)

    def states(self, samples: Tensor) -> Tensor:
        """Samples (B, N) -> hidden states (B, M, layers, width), each the mean of two, normalised."""
        states = hidden_states(self.encoder, self.log_mel(samples))  # (B, layers, T', width)
        states = states[:, :, : states.shape[2] // 2 * 2]
        return self.norm(states.unflatten(2, (-1, 2)).mean(3).transpose(1, 2))

    def condense(self, states: Tensor) -> Tensor:
        """Hidden states (B, M, layers, width) -> (B, M, D), or (B, M, D + width) with the sum that is pooled."""
        if self.pooled_weights is None:
            return self.projection(weigh(states, self.layer_weights[None])[:, :, 0])
        means = weigh(states, torch.stack([self.layer_weights, self.pooled_weights]))  # (B, M, 2, width)
        return torch.cat([self.projection(means[:, :, 0]), means[:, :, 1]], 2)

    def forward(self, energies: Tensor, condensed: Tensor) -> Tensor:
        """(B, T, FILTERS), (B, M, D) -> (B, M, D)."""
        return self.cepstral(energies) + condensed


def weigh(states: Tensor, weights: Tensor) -> Tensor:
    """Means of layers (B, M, layers, width) -> (B, M, K, width), weighted by the softmaxes of weights (K, layers)."""
    frames = states.flatten(0, 1)  # (B M, layers, width)
    weights = weights.softmax(1).expand(frames.shape[0], -1, -1)  # not len(): an exported graph takes any length
    means = torch.bmm(weights, frames)  # einsum would copy the states first
    return means.unflatten(0, states.shape[:2])
