"""Random re-synthesis: an endless family of spoofs, made of natural crops while training.

A vocoder throws away part of the time-frequency plane and makes it up again. Here what is thrown away is drawn at
random: magnitudes are projected on few mel bands, or smoothed; phases are drawn anew above some frequency, and repaired
by a random number of rounds of Griffin-Lim; the upper band may hold a mirror image of the lower one, as upsampling
layers leave it. No two spoofs are made alike, so that a detector cannot learn one vocoder by heart.
"""

import functools

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from reprise.deepfake.data.audio import RATE

SIZES = (400, 512, 800, 1024)  # samples of the Fourier transform; its hop is a quarter
MEL_BANDS = (40, 60, 80)
ROUNDS = (0, 1, 2, 4, 8, 16)  # of Griffin-Lim
CROSSOVER = (1000.0, 6000.0)  # hertz above which phases may be lost
FLOOR = 1e-6


@functools.cache
def mel_projection(bins: int, bands: int) -> Tensor:
    """Projection (bins, bins) of magnitudes on `bands` mel filters and back."""
    from transformers.audio_utils import mel_filter_bank

    bank = torch.from_numpy(mel_filter_bank(bins, bands, 0.0, RATE / 2, RATE, mel_scale="htk")).float()
    return torch.linalg.pinv(bank.T) @ bank.T


def resynthesise(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Random re-synthesis (N,) float32 of samples (N,), at the same timing and loudness."""
    size = int(generator.choice(SIZES))
    window = torch.hann_window(size)

    def analyse(wave: Tensor) -> Tensor:
        return torch.stft(wave, size, size // 4, window=window, return_complex=True)

    def synthesise(spectrum: Tensor) -> Tensor:
        return torch.istft(spectrum, size, size // 4, window=window, length=len(samples))

    natural = analyse(torch.from_numpy(np.ascontiguousarray(samples, np.float32)))  # (bins, T)
    magnitude = change_magnitude(natural.abs().clamp(min=FLOOR), generator)
    kept = keep_phase(natural.shape[0], generator)[:, None]
    drawn = torch.from_numpy(generator.uniform(-np.pi, np.pi, tuple(natural.shape))).float()
    phase = torch.where(kept, natural.sgn(), torch.polar(torch.ones_like(drawn), drawn))  # of modulus 1
    wave = synthesise(magnitude * phase)
    for _ in range(int(generator.choice(ROUNDS))):
        found = analyse(wave).sgn()
        wave = synthesise(magnitude * torch.where(kept & (generator.random() < 0.5), phase, found))
    made = wave.numpy().astype(np.float64)
    if generator.random() < 0.3:
        made = mirror(made, float(generator.uniform(0.02, 0.3)))
    scale = np.sqrt(np.mean(np.square(samples, dtype=np.float64)) / max(float(np.mean(np.square(made))), 1e-12))
    return (made * scale).astype(np.float32)


def change_magnitude(magnitude: Tensor, generator: np.random.Generator) -> Tensor:
    """Throw away a random part of magnitudes (bins, T)."""
    draw = generator.random()
    if draw < 0.6:
        projected = mel_projection(len(magnitude), int(generator.choice(MEL_BANDS))) @ magnitude
        magnitude = projected.clamp(min=FLOOR)
    if draw > 0.4:
        across, along = (1 + 2 * int(generator.integers(0, 3)) for _ in range(2))
        levels = F.avg_pool2d(
            magnitude.log()[None, None], (across, along), 1, (across // 2, along // 2), count_include_pad=False
        )
        magnitude = levels[0, 0].exp()
    if generator.random() < 0.3:  # the errors of a network that predicts levels
        wobble = torch.from_numpy(generator.normal(0, generator.uniform(0.02, 0.2), tuple(magnitude.shape))).float()
        magnitude = magnitude * wobble.exp()
    return magnitude


def keep_phase(bins: int, generator: np.random.Generator) -> Tensor:
    """Which bins (bins,) bool keep their phase: none, all, or those below a frequency."""
    draw = generator.random()
    frequency = 0.0 if draw < 0.4 else RATE if draw < 0.55 else float(generator.uniform(*CROSSOVER))
    return torch.arange(bins) * (RATE / 2 / (bins - 1)) < frequency


def mirror(samples: np.ndarray, share: float) -> np.ndarray:
    """Add a mirror image of the spectrum about a quarter of the rate, as zero-stuffing without a filter leaves it."""
    return samples + share * samples * (1 - 2 * (np.arange(len(samples)) % 2))
