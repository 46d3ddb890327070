"""Heads: from what was read out of an utterance, or of a frame, to logits that are positive for synthesis."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.deepfake.recipe import Recipe


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


def make_head(recipe: Recipe, inputs: int) -> OneClassHead | LinearHead:
    return OneClassHead(inputs, recipe.one_class_dimensions) if recipe.loss == "one_class" else LinearHead(inputs)
