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

from reprise.deepfake.detector.branches import STATISTICS, PooledStates, StatisticsBranch
from reprise.deepfake.detector.conformer import ConformerBlock
from reprise.deepfake.detector.features import FILTERS, Filterbank, deviation_over_time, scale_loudness
from reprise.deepfake.detector.front_ends import CepstralFrontEnd, SelfSupervisedFrontEnd, WhisperFrontEnd
from reprise.deepfake.detector.heads import LinearHead, OneClassHead, SeparateHead, make_head
from reprise.deepfake.recipe import Recipe

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
        """Frames of `listen` -> (B, M, JOINED FILTERS + D), frame by frame."""
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
