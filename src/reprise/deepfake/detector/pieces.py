"""How recordings are cut for the detector: into chunks when they are long, and into windows around their moments.

Without torch, since prediction with ONNX files cuts them in the same way.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.splice import fit_length

FRAME_RATE = 25  # of `Detector.listen`, a second
FRAME = RATE // FRAME_RATE  # samples
CHUNK_SECONDS = 8.0
SHORTEST_SECONDS = 0.4  # shorter ones are repeated up to it
LENGTHS = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # seconds of the windows
HOP_SECONDS = 0.1  # between moments


def chunks(samples: np.ndarray) -> list[np.ndarray]:
    """Cut samples (N,) into the fewest chunks of at most CHUNK_SECONDS, equal but for a frame."""
    if len(samples) < SHORTEST_SECONDS * RATE:
        return [fit_length(samples, int(SHORTEST_SECONDS * RATE))]
    return np.split(samples, chunk_edges(len(samples)))


def chunk_edges(samples: int) -> list[int]:
    """Where chunks of so many samples meet: between whole frames, or the frames of later chunks would come early."""
    count = -(-samples // int(CHUNK_SECONDS * RATE))
    frames = -(-samples // FRAME)
    return [part * frames // count * FRAME for part in range(1, count)]


def frame_chunks(frames: np.ndarray) -> list[np.ndarray]:
    """Cut the frames (M, C) of a recording into the fewest equal chunks of at most CHUNK_SECONDS."""
    return np.array_split(frames, -(-len(frames) // int(CHUNK_SECONDS * FRAME_RATE)))


def moment_centres(samples: int) -> np.ndarray:
    """Centres of the moments in samples, (M,): every HOP_SECONDS, the first after half of it."""
    hop = int(HOP_SECONDS * RATE)
    return np.arange(hop // 2, max(samples, hop // 2 + 1), hop)


def moments_within(spans: Iterable[Sequence[int]], samples: int) -> np.ndarray:
    """Whether the centre of each moment in samples lies in a stretch [start, end), (M,) bool."""
    centres = moment_centres(samples)
    within = np.zeros(len(centres), bool)
    for start, end in spans:
        within |= (start <= centres) & (centres < end)
    return within


def cut_windows(samples: np.ndarray, seconds: float) -> np.ndarray:
    """Cut windows (M, L) around every moment of samples (N,); at the ends they are moved inside, not padded."""
    length = int(seconds * RATE)
    if len(samples) < length:
        samples = np.tile(samples, -(-length // len(samples)))[:length]
        return np.repeat(samples[None], len(moment_centres(length)), 0)
    starts = np.clip(moment_centres(len(samples)) - length // 2, 0, len(samples) - length)
    return np.stack([samples[start : start + length] for start in starts])


def cut_frame_windows(frames: np.ndarray, samples: int, seconds: float) -> np.ndarray:
    """Cut windows (M, L, C) around every moment of a recording of so many samples out of its frames (M', C)."""
    length = round(seconds * FRAME_RATE)
    centres = np.round(moment_centres(samples) * FRAME_RATE / RATE).astype(int)
    whole = fit_length(frames, length) if len(frames) < length else frames
    starts = np.clip(centres - length // 2, 0, len(whole) - length)
    return np.stack([whole[start : start + length] for start in starts])
