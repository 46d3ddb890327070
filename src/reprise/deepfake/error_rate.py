"""The equal error rate of a training's validation. Evaluation, which needs thresholds too, has its own curve."""

import numpy as np
import torch
from torchmetrics.functional.classification import binary_eer


def equal_error_rate(scores: np.ndarray, spoof: np.ndarray) -> float:
    """Error rate where misses are as frequent as false alarms.

    Args:
        scores: (N,), high for natural speech.
        spoof: (N,) bool.

    Returns:
        The mean of both rates, fractions, at the threshold where they are closest.
    """
    values = torch.from_numpy(np.asarray(scores, np.float64))
    # Outside [0, 1] torchmetrics would take a sigmoid, which makes all large scores equal.
    values = (values - values.min()) / (values.max() - values.min()).clamp(min=1e-12)
    return float(binary_eer(values, torch.from_numpy(~spoof).long()))
