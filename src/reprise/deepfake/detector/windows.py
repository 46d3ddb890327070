"""Describe the moments of a recording by what the frozen detector says of short windows around them.

Frames of a Conformer mix the whole utterance, so they cannot say where something happened. Windows can: each moment is
described by the detector's vector and logit on windows of several lengths around it, and nothing outside the longest
window can move that description. Where a frozen Whisper is the front-end, windows are slices of the frames of the whole
recording: it hears a recording once instead of 36 times, and what it heard around a window is in them a little.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from reprise.deepfake.detector.frames import hear
from reprise.deepfake.detector.model import Detector, Output
from reprise.deepfake.detector.pieces import LENGTHS, cut_frame_windows, cut_windows, moment_centres
from reprise.deepfake.detector.scoring import Hear

Cut = Callable[[float], list[np.ndarray]]  # seconds of a window -> windows of each recording

BATCH = 128  # windows at once
TOGETHER = 8  # recordings whose windows fill batches


def describe(samples: np.ndarray, detector: Detector, device: str = "cpu", listen: Hear = hear) -> np.ndarray:
    """Describe the moments of samples (N,): (M, W, V + 1) float32; a frozen encoder hears them by `listen`."""
    return describe_together([samples], detector, device, listen)[0]


@torch.inference_mode()
def describe_together(
    recordings: Sequence[np.ndarray], detector: Detector, device: str = "cpu", listen: Hear = hear
) -> list[np.ndarray]:
    """Describe the moments of several recordings (N,), each as `describe` does.

    Windows of one length go through the detector together: a short recording alone has too few to keep it busy.
    """
    counts = [len(moment_centres(len(samples))) for samples in recordings]
    cut = framed_cutter(recordings, detector, device, listen) if detector.framed else sample_cutter(recordings)
    judge = detector.judge if detector.framed else detector
    columns = []
    for seconds in LENGTHS:
        windows = torch.from_numpy(np.concatenate(cut(seconds)))  # (moments of all, L or L', ...)
        outputs = [joined(judge(part.to(device))) for part in windows.split(BATCH)]
        columns.append(torch.cat(outputs).cpu())
    return np.split(torch.stack(columns, 1).numpy(), np.cumsum(counts)[:-1])


def sample_cutter(recordings: Sequence[np.ndarray]) -> Cut:
    """Cut windows (M, L) out of the samples of each recording."""
    return lambda seconds: [cut_whole_windows(samples, seconds) for samples in recordings]


def cut_whole_windows(samples: np.ndarray, seconds: float) -> np.ndarray:
    """Cut one window a moment, (M, L), also where the recording is shorter than a window and repeated to its length."""
    moments = len(moment_centres(len(samples)))
    windows = cut_windows(samples, seconds)[:moments]
    return windows if len(windows) == moments else np.repeat(windows[:1], moments, 0)


def framed_cutter(recordings: Sequence[np.ndarray], detector: Detector, device: str, listen: Hear) -> Cut:
    """Cut windows (M, L', C) out of what a frozen encoder heard of each recording."""
    heard = [torch.from_numpy(np.array(listen(samples, detector, device))).float() for samples in recordings]
    frames = [detector.condense(each[None].to(device))[0].cpu().numpy() for each in heard]
    return lambda seconds: [
        cut_frame_windows(each, len(samples), seconds) for each, samples in zip(frames, recordings, strict=True)
    ]


def joined(output: Output) -> Tensor:
    """Vectors and, last, logits: (B, V + 1)."""
    return torch.cat([output.vectors, output.logits[:, None]], 1).float()
