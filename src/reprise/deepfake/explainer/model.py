"""The explainer: an importance network over the frozen detector's windows, and one prototype a class.

Each moment's description h is mapped to q; its evidence is how much nearer q is to the prototype of spoofs than to that
of natural speech, averaged over its neighbours: what is spoofed is a stretch, and single windows err. The utterance's
logit is the evidence of its moments, weighed by the softmax of the evidence itself: there is no weight beside the
evidence. (The published loss, a sum over moments of weight times prototype loss, is least where all weights are zero.)
For spoofs spliced for training, and for the natural speech they were spliced into, it is known which moments are
spoofed; the evidence learns that, too.
"""

import dataclasses
import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.core.processes import sum_over_processes
from reprise.core.recipe import Fraction, TrainParams
from reprise.deepfake.explainer.curve import importance_by_frame
from reprise.deepfake.paths import Mode

QUERY = 32  # dimensions of q
NATURAL, SPOOF = 0, 1  # rows of the prototypes

NotNegative = Annotated[float, Field(ge=0)]


class ExplainerParams(TrainParams):
    """`deepfake.explainer.train`: how explainers are made and trained; params.yaml explains the keys."""

    hidden: Annotated[int, Field(ge=1, le=65_536)]
    dropout: Fraction
    temperature: Annotated[float, Field(gt=0)]
    smoothing: Annotated[float, Field(ge=0, le=1000)]
    ema_rate: Annotated[float, Field(gt=0, le=1)]
    lambda_bonafide_reg: NotNegative
    lambda_temporal_smooth: NotNegative
    lambda_sparsity: NotNegative
    lambda_localisation: NotNegative


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What the explainer says of padded utterances.

    Attributes:
        logits: (B,) of the utterances.
        evidence: (B, M); importance is its sigmoid.
        queries: (B, M, QUERY).
    """

    logits: Tensor
    evidence: Tensor
    queries: Tensor

    @property
    def importance(self) -> Tensor:
        """(B, M) in (0, 1)."""
        return self.evidence.sigmoid()


def gaussian_kernel(deviation: float) -> Tensor:
    """Weights of neighbours, (2 R + 1,) with R three deviations; (1,) without one."""
    reach = math.ceil(3 * deviation)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (places / max(deviation, 1e-6)).square())
    return weights / weights.sum()


class Explainer(nn.Module):
    """Importance network and prototypes.

    Args:
        inputs: W (V + 1), values of a moment's description.
        params: its shape, and the temperature of the cosines.
        mode: how prototypes change: `ema` of training batches, `fixed` at the training classes' means, `learnable`.
    """

    def __init__(self, inputs: int, params: ExplainerParams, mode: Mode) -> None:
        super().__init__()
        self.register_buffer("kernel", gaussian_kernel(params.smoothing), persistent=False)
        self.kernel: Tensor
        self.mode, self.temperature, hidden = mode, params.temperature, params.hidden
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.mean: Tensor
        self.deviation: Tensor
        self.network = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.LayerNorm(hidden),
            nn.GELU(),
            nn.Dropout(params.dropout),
            nn.Linear(hidden, QUERY),
        )
        prototypes = torch.zeros(2, QUERY)
        self.prototypes: Tensor
        if mode == "learnable":
            self.prototypes = nn.Parameter(prototypes)
        else:
            self.register_buffer("prototypes", prototypes)
        self.scale, self.offset = nn.Parameter(torch.tensor(-1.0)), nn.Parameter(torch.zeros(()))

    def queries(self, windows: Tensor) -> Tensor:
        """Descriptions (..., W, V + 1) -> (..., QUERY)."""
        return self.network((windows.flatten(-2) - self.mean) / self.deviation)

    def forward(self, windows: Tensor, mask: Tensor) -> Explanation:
        """Explain padded utterances.

        Args:
            windows: (B, M, W, V + 1).
            mask: (B, M), true where there is a moment.
        """
        queries = self.queries(windows)
        cosines = F.cosine_similarity(queries[..., None, :], self.prototypes, dim=-1)  # (B, M, 2)
        difference = (cosines[..., SPOOF] - cosines[..., NATURAL]) / self.temperature
        evidence = self.smooth(F.softplus(self.scale) * difference + self.offset, mask)  # (B, M)
        weights = evidence.masked_fill(~mask, -torch.inf).softmax(1)
        return Explanation((weights * evidence).sum(1), evidence, queries)

    def smooth(self, evidence: Tensor, mask: Tensor) -> Tensor:
        """Average evidence (B, M) over neighbouring moments, of those that there are."""
        present = mask.to(evidence.dtype)
        padding = len(self.kernel) // 2
        sums = F.conv1d((evidence * present)[:, None], self.kernel[None, None], padding=padding)[:, 0]
        shares = F.conv1d(present[:, None], self.kernel[None, None], padding=padding)[:, 0]
        return sums / shares.clamp(min=1e-6)

    @torch.no_grad()
    def start(self, windows: list[Tensor], spoof: Tensor) -> None:
        """Standardise on training utterances, each (M, W, V + 1), and set the prototypes to their classes' means.

        Args:
            windows: N utterances.
            spoof: (N,) bool.
        """
        values = torch.cat([part.flatten(-2) for part in windows])
        self.mean.copy_(values.mean(0))
        self.deviation.copy_(values.std(0).clamp(min=1e-4))
        was_training = self.training
        self.eval()
        means = torch.stack([self.queries(part).mean(0) for part in windows])
        self.train(was_training)
        for row, chosen in ((NATURAL, ~spoof), (SPOOF, spoof)):
            self.prototypes[row] = F.normalize(means[chosen].mean(0), dim=0)

    @torch.no_grad()
    def update(self, explanation: Explanation, mask: Tensor, spoof: Tensor, rate: float) -> None:
        """Move the prototypes towards a training batch's class means (mode ema; the others stay).

        Spoofs count by their evidence, for a spoof may be natural in parts.

        Args:
            explanation: of the batch.
            mask: (B, M).
            spoof: (B,) bool.
            rate: 1 is the batch alone.
        """
        if self.mode != "ema" or not self.training:
            return
        plain = mask / mask.sum(1, keepdim=True)
        weighed = explanation.evidence.masked_fill(~mask, -torch.inf).softmax(1)
        for row, chosen, weights in ((NATURAL, ~spoof, plain), (SPOOF, spoof, weighed)):
            total = (weights[chosen, :, None] * F.normalize(explanation.queries[chosen], dim=-1)).sum((0, 1))
            total = sum_over_processes(total)  # (QUERY,); its length does not matter, only where it points
            if total.any():
                moved = (1 - rate) * self.prototypes[row] + rate * F.normalize(total, dim=0)
                self.prototypes[row] = F.normalize(moved, dim=0)


def make_explainer(params: ExplainerParams, mode: Mode, windows: list[np.ndarray], spoof: np.ndarray) -> Explainer:
    """Build an explainer, standardised on training utterances, with its prototypes at their classes' means.

    Args:
        params: its shape.
        mode: how prototypes change.
        windows: N utterances, each (M, W, V + 1).
        spoof: (N,) bool.
    """
    explainer = Explainer(int(np.prod(windows[0].shape[1:])), params, mode)
    explainer.start([torch.from_numpy(each) for each in windows], torch.from_numpy(np.array(spoof)))
    return explainer


def explainer_loss(explanation: Explanation, mask: Tensor, spoof: Tensor, params: ExplainerParams) -> Tensor:
    """Cross-entropy of the utterances, and what makes importance readable.

    Args:
        explanation: of a batch.
        mask: (B, M).
        spoof: (B,) bool.
        params: the weights: importance on natural speech, jumps from moment to moment, importance on spoofs.
    """
    labels = spoof.float()
    loss = F.binary_cross_entropy_with_logits(explanation.logits, labels)
    importance = explanation.importance * mask
    mean = importance.sum(1) / mask.sum(1)  # (B,)
    jumps = (importance.diff(dim=1).abs() * (mask[:, 1:] & mask[:, :-1])).sum(1) / mask.sum(1)
    loss = loss + params.lambda_bonafide_reg * (mean * (1 - labels)).sum() / (1 - labels).sum().clamp(min=1)
    loss = loss + params.lambda_temporal_smooth * jumps.mean()
    return loss + params.lambda_sparsity * (mean * labels).sum() / labels.sum().clamp(min=1)


def localisation_loss(evidence: Tensor, spoofed: Tensor) -> Tensor:
    """Cross-entropy of the moments of which it is known whether they are spoofed; 0 where none is.

    Every known moment of a batch counts the same, however many of them each process has.

    Args:
        evidence: (B, M).
        spoofed: (B, M) of 1, 0 and, where unknown, NaN.
    """
    known = ~spoofed.isnan()
    own = torch.tensor([float(known.sum()), len(spoofed)], device=evidence.device)  # known moments, utterances
    moments, utterances = sum_over_processes(own)
    if not known.any():
        return evidence.sum() * 0
    share = (own[0] / own[1]) / (moments / utterances)  # processes are weighed by their utterances
    return share * F.binary_cross_entropy_with_logits(evidence[known], spoofed[known])


@torch.inference_mode()
def importance_of(explainer: Explainer, windows: np.ndarray, samples: int) -> np.ndarray:
    """Importance of an utterance's frames.

    Args:
        explainer: in evaluation mode.
        windows: (M, W, V + 1), the utterance's moments.
        samples: its length.

    Returns:
        (F,) in (0, 1), a value for each FRAME samples.
    """
    values = torch.from_numpy(windows)[None]
    moments = explainer(values, torch.ones(values.shape[:2], dtype=torch.bool)).importance[0].numpy()
    return importance_by_frame(moments, samples)
