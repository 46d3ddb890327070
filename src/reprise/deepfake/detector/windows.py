"""Describe the moments of a recording by what the frozen detector says of short windows around them.

Frames of a Conformer mix the whole utterance, so they cannot say where something happened. Windows can: each moment is
described by the detector's vector and logit on windows of several lengths around it, and nothing outside the longest
window can move that description. Where a frozen Whisper is the front-end, windows are slices of the frames of the whole
recording: it hears a recording once instead of 36 times, and what it heard around a window is in them a little.
"""

import numpy as np
import torch
from torch import Tensor

from reprise.deepfake.detector.frames import hear
from reprise.deepfake.detector.model import Detector, Output
from reprise.deepfake.detector.pieces import LENGTHS, cut_frame_windows, cut_windows, moment_centres
from reprise.deepfake.detector.scoring import Hear

BATCH = 64  # windows at once


@torch.inference_mode()
def describe(samples: np.ndarray, detector: Detector, device: str = "cpu", listen: Hear = hear) -> np.ndarray:
    """Describe the moments of samples (N,): (M, W, V + 1) float32; a frozen encoder hears them by `listen`."""
    if detector.framed:
        return describe_frames(listen(samples, detector, device), len(samples), detector, device)
    moments = len(moment_centres(len(samples)))
    columns = []
    for seconds in LENGTHS:
        windows = torch.from_numpy(cut_windows(samples, seconds)[:moments])
        if len(windows) < moments:  # a recording shorter than the window, repeated to its length
            windows = windows[:1].expand(moments, -1)
        outputs = [describe_batch(part.to(device), detector) for part in windows.split(BATCH)]
        columns.append(torch.cat(outputs).cpu())
    return torch.stack(columns, 1).numpy()


def describe_frames(frames: np.ndarray, samples: int, detector: Detector, device: str) -> np.ndarray:
    """Describe the moments of a recording of so many samples by its frames (M', C): (M, W, V + 1) float32."""
    condensed = detector.condense(torch.from_numpy(np.array(frames)).float()[None].to(device))[0].cpu().numpy()
    columns = []
    for seconds in LENGTHS:
        windows = torch.from_numpy(cut_frame_windows(condensed, samples, seconds))
        outputs = [joined(detector.judge(part.to(device))) for part in windows.split(BATCH)]
        columns.append(torch.cat(outputs).cpu())
    return torch.stack(columns, 1).numpy()


def describe_batch(windows: Tensor, detector: Detector) -> Tensor:
    """(B, L) -> (B, V + 1)."""
    return joined(detector(windows))


def joined(output: Output) -> Tensor:
    """Vectors and, last, logits: (B, V + 1)."""
    return torch.cat([output.vectors, output.logits[:, None]], 1).float()
