"""Describe the moments of a recording by what the frozen detector says of short windows around them.

Frames of a Conformer mix the whole utterance, so they cannot say where something happened. Windows can: each moment is
described by the detector's vector and logit on windows of several lengths around it, and nothing outside the longest
window can move that description. Where a frozen Whisper is the front-end, windows are slices of the frames of the whole
recording: it hears a recording once instead of 36 times, and what it heard around a window is in them a little.
"""

import numpy as np
import torch
from torch import Tensor

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.splice import fit_length
from reprise.deepfake.detector.frames import hear
from reprise.deepfake.detector.model import FRAME_RATE, Detector, Output
from reprise.deepfake.detector.scoring import Hear

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
    centres = np.round(moment_centres(samples) * FRAME_RATE / RATE).astype(int)
    columns = []
    for seconds in LENGTHS:
        length = round(seconds * FRAME_RATE)
        whole = fit_length(condensed, length) if len(condensed) < length else condensed
        starts = np.clip(centres - length // 2, 0, len(whole) - length)
        windows = torch.from_numpy(np.stack([whole[start : start + length] for start in starts]))
        outputs = [joined(detector.judge(part.to(device))) for part in windows.split(BATCH)]
        columns.append(torch.cat(outputs).cpu())
    return torch.stack(columns, 1).numpy()


def describe_batch(windows: Tensor, detector: Detector) -> Tensor:
    """(B, L) -> (B, V + 1)."""
    return joined(detector(windows))


def joined(output: Output) -> Tensor:
    """Vectors and, last, logits: (B, V + 1)."""
    return torch.cat([output.vectors, output.logits[:, None]], 1).float()
