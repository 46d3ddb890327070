"""Arithmetic on samples or frames: fit to a length, and put a stretch of one recording into another."""

import numpy as np

from reprise.deepfake.data.audio import RATE

FADE_SECONDS = 0.01  # of the cross-fades at the ends of a splice


def fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut samples (N,) or frames (N, C) to `length`, or repeat them from their start up to it."""
    repeats = -(-length // len(samples))
    return np.concatenate([samples] * repeats)[:length] if repeats > 1 else samples[:length]


def splice(natural: np.ndarray, spoof: np.ndarray, start: int, end: int) -> np.ndarray:
    """Put the samples [start, end) of a spoof (N,) into natural ones (N,), cross-faded inside the stretch."""
    fade = min(int(FADE_SECONDS * RATE), (end - start) // 2)
    share = np.zeros(len(natural), np.float32)
    share[start:end] = 1.0
    ramp = (np.arange(fade, dtype=np.float32) + 0.5) / max(1, fade)
    if start > 0:
        share[start : start + fade] = ramp
    if end < len(natural):
        share[end - fade : end] = ramp[::-1]
    return natural + share * (spoof - natural)


def replace(natural: np.ndarray, spoof: np.ndarray, start: int, end: int) -> np.ndarray:
    """Put the frames [start, end) of a spoof (N, C) into natural ones (N, C)."""
    mixed = natural.copy()
    mixed[start:end] = spoof[start:end]
    return mixed
