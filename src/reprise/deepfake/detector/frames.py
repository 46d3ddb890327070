"""A frozen encoder's frames of recordings, 40 ms each, cached on disk by content so that none is encoded twice.

The cache holds one file a recording, keyed by its samples, by what is done to them before they are heard, by the
encoder and the code that runs it, and by the device. Prediction keeps nothing.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from reprise.core import kernels
from reprise.core.files import hash_bytes
from reprise.core.kept import kept_array
from reprise.core.models import hash_tensors
from reprise.deepfake.detector.front_ends import WhisperFrontEnd
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.pieces import chunks

CACHE = Path(".cache/deepfake-frames")
DECIDING = (  # the modules that compute frames
    "data.splice",
    *(f"detector.{name}" for name in ("features", "frames", "front_ends", "model", "pieces", "whisper")),
)

Change = Callable[[np.ndarray], np.ndarray]


def hear(samples: np.ndarray, detector: Detector, device: str = "cpu") -> np.ndarray:
    """Frames (M, C) float16 of samples (N,): those of `hear_precisely`, rounded to be stored."""
    return torch.from_numpy(hear_precisely(samples, detector, device)).half().numpy()


@torch.inference_mode()
def hear_precisely(samples: np.ndarray, detector: Detector, device: str = "cpu") -> np.ndarray:
    """Frames (M, C) float32 of samples (N,), heard in chunks: what `Detector.listen` gives.

    Prediction takes these: rounding to float16 would magnify differences in the last place, such as those between
    torch and onnxruntime.
    """
    heard = [detector.listen(torch.from_numpy(chunk)[None].to(device))[0].cpu() for chunk in chunks(samples)]
    return torch.cat(heard).numpy()


def hear_once(
    samples: np.ndarray,
    detector: Detector,
    device: str = "cpu",
    change: tuple[str, Change] | None = None,
) -> np.ndarray:
    """`hear`, or what the cache has of it, mapped from the disk.

    Args:
        samples: (N,) float32.
        detector: which hears.
        device: where it is.
        change: a name, which with the samples decides the outcome, and what is done to the samples before. The code
            that does it is part of the name.
    """
    name, apply = change or ("", lambda same: same)
    key = hash_bytes(samples.tobytes(), name.encode())
    path = CACHE / encoder_key(detector, torch.device(device).type) / f"{key}.npy"
    return kept_array(path, lambda: hear(apply(samples), detector, device))


@functools.lru_cache(maxsize=4)
def encoder_key(detector: Detector, device_type: str) -> str:
    """Hash of whatever decides the frames beside the samples."""
    from reprise.core.code import hash_modules, versions

    assert isinstance(detector.front_end, WhisperFrontEnd)
    state = {name: tensor.cpu() for name, tensor in detector.front_end.encoder.state_dict().items()}
    code = hash_modules(*(f"reprise.deepfake.{name}" for name in DECIDING))
    parts = (hash_tensors(state), code, versions("transformers"), kernels.chosen(), device_type)
    return hash_bytes(*(part.encode() for part in parts))[:16]
