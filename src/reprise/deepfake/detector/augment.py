"""What training does to crops beside cutting them: RawBoost, band limits, noise, gain; each with its probability.

RawBoost (Tak et al., ICASSP 2022) stands for telephony: linear and non-linear convolutive noise, impulsive
signal-dependent noise, and stationary signal-independent noise, with the ranges of the paper's table 1.
"""

import numpy as np
from scipy import signal

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.recipe import Recipe

BANDS, BAND_CENTRES, BAND_WIDTHS = 5, (20.0, 8000.0), (100.0, 1000.0)  # notches; hertz
FILTER_TAPS = (10, 100)
ORDERS, ORDER_GAINS = 5, (5.0, 20.0)  # of the non-linearity; decibels that higher orders are lower by
IMPULSE_SHARE, IMPULSE_GAIN = 0.1, 2.0  # of the samples, at most
NOISE_DECIBELS = (10.0, 40.0)  # signal to noise
BAND_LIMITS = (3400.0, 7500.0)  # hertz


def augment(samples: np.ndarray, recipe: Recipe, generator: np.random.Generator) -> np.ndarray:
    """Augment one crop (N,) float32; a value out of [-1, 1] is no harm, for loudness is scaled afterwards."""
    if generator.random() < recipe.rawboost:
        samples = rawboost(samples, generator)
    if generator.random() < recipe.band_limit:
        samples = limit_band(samples, float(generator.uniform(*BAND_LIMITS)))
    if generator.random() < recipe.noise:
        samples = add_noise(samples, float(generator.uniform(*NOISE_DECIBELS)), generator)
    if recipe.gain:
        samples = samples * 10 ** (generator.uniform(-recipe.gain, recipe.gain) / 20)
    return samples.astype(np.float32)


def limit_band(samples: np.ndarray, highest: float) -> np.ndarray:
    """Remove what lies above a frequency in hertz."""
    return signal.sosfiltfilt(signal.butter(6, highest, fs=RATE, output="sos"), samples)


def add_noise(samples: np.ndarray, decibels: float, generator: np.random.Generator) -> np.ndarray:
    """Add white noise at a ratio of signal to noise."""
    noise = generator.standard_normal(len(samples))
    return samples + scale_to(noise, samples, decibels)


def scale_to(noise: np.ndarray, samples: np.ndarray, decibels: float) -> np.ndarray:
    """Noise (N,) at `decibels` below samples (N,)."""
    power = np.mean(np.square(noise)) + 1e-12
    return noise * np.sqrt(np.mean(np.square(samples)) / power * 10 ** (-decibels / 10))


def notch_filter(generator: np.random.Generator) -> np.ndarray:
    """A random filter with several notches, its largest gain 1."""
    taps = np.ones(1)
    for _ in range(BANDS):
        centre, width = generator.uniform(*BAND_CENTRES), generator.uniform(*BAND_WIDTHS)
        count = int(generator.integers(FILTER_TAPS[0], FILTER_TAPS[1])) | 1
        low, high = max(centre - width / 2, 1.0), min(centre + width / 2, RATE / 2 - 1.0)
        if high - low > 1.0:
            taps = np.convolve(taps, signal.firwin(count, [low, high], fs=RATE))
    return taps / max(np.abs(signal.freqz(taps, worN=256)[1]).max(), 1e-9)


def rawboost(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Convolutive, impulsive and stationary noise, one after the other."""
    return stationary(impulsive(convolutive(samples, generator), generator), generator)


def convolutive(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Sum of filtered powers of the signal: a channel that distorts (section 2.1)."""
    total = np.zeros(len(samples))
    for order in range(1, ORDERS + 1):
        gain = 1.0 if order == 1 else 10 ** (-generator.uniform(*ORDER_GAINS) / 20)
        total += gain * np.convolve(samples**order, notch_filter(generator), "same")[: len(samples)]
    total -= total.mean()
    return total * (np.abs(samples).max() / max(np.abs(total).max(), 1e-9))


def impulsive(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Disturb random samples in proportion to their size (section 2.2)."""
    count = int(len(samples) * generator.uniform(0, IMPULSE_SHARE))
    places = generator.choice(len(samples), count, replace=False)
    result = samples.copy()
    sizes = generator.uniform(-1, 1, count) * generator.uniform(-1, 1, count)
    result[places] += IMPULSE_GAIN * samples[places] * sizes
    return result


def stationary(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Add coloured noise (section 2.3)."""
    noise = np.convolve(generator.standard_normal(len(samples)), notch_filter(generator), "same")[: len(samples)]
    return samples + scale_to(noise, samples, float(generator.uniform(*NOISE_DECIBELS)))
