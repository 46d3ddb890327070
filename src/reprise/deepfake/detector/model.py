"""The detector: a front-end, Conformer blocks with temporal-channel modelling, a branch of statistics, one logit.

Positive logits say synthesised. Shapes: B pieces of N samples, T frames of 10 ms, M of the Conformer, D dimensions.

With front-end `whisper` the detector works in three steps: `listen` gives for every 40 ms what learns nothing (filter
energies and Whisper's hidden states), `condense` weighs and projects the states frame by frame, `judge` does the rest.
A piece of a recording is then a slice of its frames: training cuts crops, and explanations cut windows, out of a
recording that Whisper has heard once.
"""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.deepfake.detector.conformer import ConformerBlock
from reprise.deepfake.detector.features import (
    CEPSTRA,
    FILTERS,
    Cepstra,
    Filterbank,
    deviation_over_time,
    quantile_over_time,
    scale_loudness,
)
from reprise.deepfake.detector.whisper import LogMel, build_encoder, hidden_states, load_encoder
from reprise.deepfake.recipe import Recipe

STATISTICS = 64  # dimensions of the branch's output
QUANTILE = 0.05
JOINED = 4  # frames of 10 ms, and 2 hidden states, in a frame of `listen`


@dataclasses.dataclass(frozen=True)
class Output:
    """What the detector says of pieces.

    Attributes:
        logits: (B,) of the piece.
        frame_logits: (B, M).
        vectors: (B, V) before the logit: the one-class vectors, or the readout.
        view_logits: (B, views) of each view alone, where their evidence is kept apart.
    """

    logits: Tensor
    frame_logits: Tensor
    vectors: Tensor
    view_logits: Tensor | None = None


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
        config: the model's shape; None: that of `name`.

    Raises:
        InputError: it cannot be loaded.
    """

    def __init__(self, name: str, weights: bool, trained: bool, dim: int, config: dict[str, Any] | None) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModel

        try:
            if weights:
                self.encoder = AutoModel.from_pretrained(name)
            elif config is not None:
                self.encoder = AutoModel.from_config(AutoConfig.for_model(**config))
            else:
                self.encoder = AutoModel.from_config(AutoConfig.from_pretrained(name))
        except Exception as error:  # transformers and the hub's client have errors of many kinds for a wrong shape
            reason = " ".join(str(error).split())[:200]
            what = f"ssl_model {name!r}" if config is None or weights else "ssl_config"
            raise InputError(f"{what} cannot be loaded: {reason}") from error
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


class WhisperFrontEnd(nn.Module):
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
        super().__init__()
        self.encoder = load_encoder(name) if weights else build_encoder(config)
        self.trained = trained
        self.encoder.requires_grad_(trained)
        width = self.encoder.config.d_model
        self.log_mel = LogMel(self.encoder.config.num_mel_bins)
        self.layers = self.encoder.config.encoder_layers + 1
        self.layer_weights = nn.Parameter(torch.zeros(self.layers))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.projection = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, dim))
        self.pooled_weights = nn.Parameter(torch.zeros(self.layers)) if pooled else None
        self.cepstral = CepstralFrontEnd("lfcc", dim)

    def train(self, mode: bool = True) -> "WhisperFrontEnd":
        """Set the mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if not self.trained:
            self.encoder.eval()
        return self

    def states(self, samples: Tensor) -> Tensor:
        """Samples (B, N) -> hidden states (B, M, layers, width), each the mean of two."""
        states = hidden_states(self.encoder, self.log_mel(samples))  # (B, layers, T', width)
        states = states[:, :, : states.shape[2] // 2 * 2]
        return states.unflatten(2, (-1, 2)).mean(3).transpose(1, 2)

    def condense(self, states: Tensor) -> Tensor:
        """Hidden states (B, M, layers, width) -> (B, M, D), or (B, M, D + width) with the sum that is pooled."""
        states = self.norm(states)
        parts = [self.projection(weigh(states, self.layer_weights))]
        if self.pooled_weights is not None:
            parts.append(weigh(states, self.pooled_weights))
        return torch.cat(parts, 2)

    def forward(self, energies: Tensor, condensed: Tensor) -> Tensor:
        """(B, T, FILTERS), (B, M, D) -> (B, M, D)."""
        return self.cepstral(energies) + condensed


def weigh(states: Tensor, weights: Tensor) -> Tensor:
    """Mean of layers (B, M, layers, width) -> (B, M, width), weighted by the softmax of weights (layers,)."""
    return torch.einsum("bmlw,l->bmw", states, weights.softmax(0))


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


class SeparateHead(nn.Module):
    """One-class evidence of each view apart, so that none outvotes another by finding speech very natural.

    Clean synthesis does look so to Whisper. `summed` adds the views' softplus(g_v) |z_v|^2, none of which is below
    zero, and takes b off. `any` adds the views' odds, for what is spoof to one view is spoof: log(sum of exp(logit_v)).

    Args:
        inputs: dimensions of each view's readout.
        dimensions: of each z.
        evidence: summed or any.
    """

    def __init__(self, inputs: list[int], dimensions: int, evidence: str) -> None:
        super().__init__()
        self.views = nn.ModuleList(OneClassHead(count, dimensions) for count in inputs)
        self.bias = nn.Parameter(torch.ones(())) if evidence == "summed" else None

    def forward(self, readouts: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """(B, inputs) of each view -> logits (B,), z of all (B, views dimensions), logits of each (B, views)."""
        logits, vectors = zip(*(view(part) for view, part in zip(self.views, readouts, strict=True)), strict=True)
        each = torch.stack(logits, 1)
        if self.bias is None:
            return each.logsumexp(1), torch.cat(vectors, 1), each
        biases = torch.stack([view.bias for view in self.views])  # type: ignore[misc]
        return (each + biases).sum(1) - self.bias, torch.cat(vectors, 1), each


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
        ssl_config: of the encoder, to build it for weights that come from elsewhere.
    """

    def __init__(self, recipe: Recipe, ssl_config: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.dim = dim = recipe.embedding
        weights = recipe.ssl_weights and ssl_config is None
        config = ssl_config if ssl_config is not None else recipe.ssl_config or None
        self.front_end: CepstralFrontEnd | SelfSupervisedFrontEnd | WhisperFrontEnd
        if recipe.front_end == "whisper":
            self.front_end = WhisperFrontEnd(
                recipe.ssl_model,
                weights,
                recipe.ssl_trained,
                dim,
                recipe.dropout,
                config or {},
                recipe.pooled_states,
            )
        elif recipe.front_end == "ssl":
            self.front_end = SelfSupervisedFrontEnd(recipe.ssl_model, weights, recipe.ssl_trained, dim, config)
        else:
            self.front_end = CepstralFrontEnd(recipe.front_end, dim)
        self.filterbank = Filterbank("mel" if recipe.front_end == "logmel" else "linear")
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.blocks = nn.ModuleList(
            ConformerBlock(dim, recipe.heads, recipe.kernel, recipe.dropout) for _ in range(recipe.encoders)
        )
        self.statistics = StatisticsBranch() if recipe.statistics_branch else None
        self.pooled: PooledStates | None = None
        if recipe.pooled_states:
            assert isinstance(self.front_end, WhisperFrontEnd)  # as the recipe promises
            self.pooled = PooledStates(int(self.front_end.encoder.config.d_model))
        views = [3 * dim] + [STATISTICS] * (recipe.statistics_branch + recipe.pooled_states)
        self.dropout = nn.Dropout(recipe.dropout)
        self.head: SeparateHead | OneClassHead | LinearHead
        if recipe.evidence == "joint":
            self.head = make_head(recipe, sum(views))
        else:
            self.head = SeparateHead(views, recipe.one_class_dimensions, recipe.evidence)
        self.frame_head = make_head(recipe, dim)

    @property
    def framed(self) -> bool:
        """Whether a frozen encoder hears a recording once, and pieces of it are slices of its frames."""
        return isinstance(self.front_end, WhisperFrontEnd) and not self.front_end.trained

    @property
    def cepstral(self) -> CepstralFrontEnd | None:
        """What is standardised on the training recordings."""
        if isinstance(self.front_end, WhisperFrontEnd):
            return self.front_end.cepstral
        return self.front_end if isinstance(self.front_end, CepstralFrontEnd) else None

    def forward(self, samples: Tensor) -> Output:
        """Samples (B, N) in [-1, 1] at any loudness."""
        if isinstance(self.front_end, WhisperFrontEnd):
            return self.judge(self.condense(self.listen(samples)))
        samples = scale_loudness(samples)
        energies = self.filterbank(samples)  # (B, T, FILTERS)
        heard = samples if isinstance(self.front_end, SelfSupervisedFrontEnd) else energies
        return self.read_out(self.front_end(heard), energies)

    def listen(self, samples: Tensor) -> Tensor:
        """Samples (B, N) -> frames (B, M, JOINED FILTERS + layers width) of 40 ms, by what learns nothing."""
        assert isinstance(self.front_end, WhisperFrontEnd)
        samples = scale_loudness(samples)
        states = self.front_end.states(samples)  # (B, M, layers, width)
        energies = self.filterbank(samples)[:, : JOINED * states.shape[1]]  # T is at least JOINED M
        return torch.cat([energies.unflatten(1, (-1, JOINED)).flatten(2), states.flatten(2)], 2)

    def condense(self, frames: Tensor) -> Tensor:
        """Frames of `listen` -> (B, M, JOINED FILTERS + D), each for itself."""
        assert isinstance(self.front_end, WhisperFrontEnd)
        energies, states = frames[..., : JOINED * FILTERS], frames[..., JOINED * FILTERS :]
        condensed = self.front_end.condense(states.unflatten(2, (self.front_end.layers, -1)))
        return torch.cat([energies, condensed], 2)

    def judge(self, frames: Tensor) -> Output:
        """Frames of `condense`, of a recording or a slice of it."""
        energies = frames[..., : JOINED * FILTERS].unflatten(2, (JOINED, FILTERS)).flatten(1, 2)  # (B, T, FILTERS)
        energies = energies - energies.mean(1, keepdim=True)
        condensed, states = frames[..., JOINED * FILTERS :].tensor_split([self.dim], 2)
        return self.read_out(self.front_end(energies, condensed), energies, states)

    def read_out(self, frames: Tensor, energies: Tensor, states: Tensor | None = None) -> Output:
        """Frames of the front-end (B, M, D), energies (B, T, FILTERS), states to be pooled (B, M, width)."""
        x = torch.cat([self.class_token.expand(frames.shape[0], -1, -1), frames], 1)  # (B, 1 + M, D)
        for block in self.blocks:
            x = block(x)
        token, frames = x[:, 0], x[:, 1:]
        parts = [self.dropout(torch.cat([token, frames.mean(1), deviation_over_time(frames)], 1))]
        if self.statistics is not None:
            parts.append(self.dropout(self.statistics(energies)))
        if self.pooled is not None:
            assert states is not None
            parts.append(self.dropout(self.pooled(states)))
        frame_logits, _ = self.frame_head(frames)
        if isinstance(self.head, SeparateHead):
            logits, vectors, view_logits = self.head(parts)
            return Output(logits, frame_logits, vectors, view_logits)
        logits, vectors = self.head(torch.cat(parts, 1))
        return Output(logits, frame_logits, vectors)


def make_head(recipe: Recipe, inputs: int) -> OneClassHead | LinearHead:
    return OneClassHead(inputs, recipe.one_class_dimensions) if recipe.loss == "one_class" else LinearHead(inputs)
