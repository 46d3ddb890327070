"""Importance over time: from a value a moment to one every 20 ms. Without torch, for prediction with ONNX files."""

import numpy as np

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.pieces import moment_centres

FRAME = int(0.02 * RATE)  # samples to which importance is given in the end


def frames_in(samples: int) -> int:
    return max(1, samples // FRAME)


def importance_by_frame(values: np.ndarray, samples: int) -> np.ndarray:
    """Importance (M,) of the moments of a recording of so many samples -> (frames,), by straight lines between centres.

    Before the first centre and after the last one it stays as it is there.
    """
    centres = (np.arange(frames_in(samples)) + 0.5) * FRAME
    return np.interp(centres, moment_centres(samples), values)
