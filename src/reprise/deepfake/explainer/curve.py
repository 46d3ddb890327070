"""Importance over time: from a value a moment to one every 20 ms. Without torch, for prediction with ONNX files."""

import numpy as np

from reprise.deepfake.data.audio import RATE

FRAME = int(0.02 * RATE)  # samples to which importance is given in the end


def frames_in(samples: int) -> int:
    return max(1, samples // FRAME)


def resample_importance(values: np.ndarray, frames: int) -> np.ndarray:
    """Importance (K,) at equal distances -> (frames,), by straight lines between centres."""
    places = (np.arange(frames) + 0.5) / frames * len(values) - 0.5
    return np.interp(places, np.arange(len(values)), values)
