"""From scores to a probability and a decision: what evaluation found on dev, as models/deepfake/decision.json."""

from pathlib import Path
from typing import Literal

import numpy as np
from scipy.special import expit

from reprise.core.models import read_checked_json, write_checked_json
from reprise.core.params import Params, parse_params
from reprise.deepfake.paths import DECISION

Published = Literal["detector", "fused"]  # whose verdict prediction gives


class Decision(Params):
    """Calibration and threshold of a system's scores, which are high for natural speech."""

    threshold: float  # scores from here on are taken for natural
    scale: float  # log likelihood ratio = scale * score + offset
    offset: float

    def log_likelihood_ratios(self, scores: np.ndarray) -> np.ndarray:
        """Calibrate scores (N,): natural against spoofed speech."""
        return self.scale * scores + self.offset

    def spoof_probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of a spoof (N,) at equal priors."""
        return expit(-self.log_likelihood_ratios(scores))

    def label(self, score: float) -> str:
        return "bonafide" if score >= self.threshold else "spoof"


class Decisions(Params):
    """Decisions of the detector, of the baseline and of both together."""

    published: Published
    detector: Decision
    baseline: Decision
    fused: Decision

    @property
    def verdict(self) -> Decision:
        """The decision that prediction takes."""
        return self.fused if self.published == "fused" else self.detector

    def scores(self, detector: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        """Scores (N,) for `verdict` of both systems' scores (N,)."""
        return self.fuse(detector, baseline) if self.published == "fused" else detector

    def fuse(self, detector: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        """Fuse scores (N,): the mean of the calibrated log likelihood ratios."""
        return fuse(self.detector, detector, self.baseline, baseline)


def fuse(one: Decision, scores: np.ndarray, other: Decision, other_scores: np.ndarray) -> np.ndarray:
    """Mean of two systems' calibrated log likelihood ratios, (N,)."""
    return (one.log_likelihood_ratios(scores) + other.log_likelihood_ratios(other_scores)) / 2


def write_decisions(decisions: Decisions) -> None:
    write_checked_json(DECISION, decisions.model_dump())


def read_decisions(path: Path = DECISION) -> Decisions:
    """Read what `write_decisions` wrote.

    Raises:
        InputError: missing or damaged.
    """
    return parse_params(read_checked_json(path), Decisions, str(path))
