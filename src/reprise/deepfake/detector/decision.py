"""From a score to a probability and a decision: what evaluation found on dev, as models/deepfake/decision.json."""

from pathlib import Path

import numpy as np
from scipy.special import expit

from reprise.core.models import read_checked_json, write_checked_json
from reprise.core.params import Params, parse_params
from reprise.deepfake.paths import DECISION


class Decision(Params):
    """Calibration and threshold of the detector's scores, which are high for natural speech."""

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


def write_decision(decision: Decision) -> None:
    write_checked_json(DECISION, decision.model_dump())


def read_decision(path: Path = DECISION) -> Decision:
    """Read what `write_decision` wrote.

    Raises:
        InputError: missing or damaged.
    """
    return parse_params(read_checked_json(path), Decision, str(path))
