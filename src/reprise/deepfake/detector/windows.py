"""Describe the moments of a recording by what the frozen detector says of short windows around them.

Frames of a Conformer mix the whole utterance, so they cannot say where something happened. Windows can: each moment is
described by the detector's vector and logit on windows of several lengths around it, and nothing outside the longest
window can move that description.
"""

import numpy as np
import torch
from torch import Tensor

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.model import Detector

LENGTHS = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # seconds
HOP_SECONDS = 0.1  # between moments
BATCH = 64  # windows at once


def moment_centres(samples: int) -> np.ndarray:
    """Centres of the moments in samples, (M,): every HOP_SECONDS, the first after half of it."""
    hop = int(HOP_SECONDS * RATE)
    return np.arange(hop // 2, max(samples, hop // 2 + 1), hop)


def cut_windows(samples: np.ndarray, seconds: float) -> np.ndarray:
    """Cut windows (M, L) around every moment of samples (N,); at the ends they are moved inside, not padded."""
    length = int(seconds * RATE)
    if len(samples) < length:
        samples = np.tile(samples, -(-length // len(samples)))[:length]
        return np.repeat(samples[None], len(moment_centres(length)), 0)
    starts = np.clip(moment_centres(len(samples)) - length // 2, 0, len(samples) - length)
    return np.stack([samples[start : start + length] for start in starts])


@torch.inference_mode()
def describe(samples: np.ndarray, detector: Detector, device: str = "cpu") -> np.ndarray:
    """Describe the moments of samples (N,): (M, W, V + 1) float32."""
    moments = len(moment_centres(len(samples)))
    columns = []
    for seconds in LENGTHS:
        windows = torch.from_numpy(cut_windows(samples, seconds)[:moments])
        if len(windows) < moments:  # a recording shorter than the window, repeated to its length
            windows = windows[:1].expand(moments, -1)
        outputs = [describe_batch(part.to(device), detector) for part in windows.split(BATCH)]
        columns.append(torch.cat(outputs).cpu())
    return torch.stack(columns, 1).numpy()


def describe_batch(windows: Tensor, detector: Detector) -> Tensor:
    """(B, L) -> (B, V + 1)."""
    output = detector(windows)
    return torch.cat([output.vectors, output.logits[:, None]], 1).float()
