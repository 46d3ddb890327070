"""Vocoders: analysis of a recording and synthesis from what was kept, at the same timing.

Each takes samples (N,) at 16 kHz and gives (N,). They are simple on purpose and made of known parts: what they share
with modern ones is that something of the wave is thrown away and made up again (Wang and Yamagishi, ICASSP 2023).
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy import signal
from scipy.linalg import solve_toeplitz

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import RATE

Vocoder = Callable[[np.ndarray, np.random.Generator], np.ndarray]

BINS, HOP = 512, 160  # samples of the Fourier transform, and between its frames
MEL_BANDS = 80
GRIFFIN_LIM_ROUNDS = 32
MOMENTUM = 0.99  # of fast Griffin-Lim (Perraudin, Balazs and Søndergaard, 2013)
LPC_ORDER = 18
FRAME, STEP = 400, 80  # samples of a frame of linear prediction, and between frames
PITCH = (60.0, 400.0)  # hertz
VOICED = 0.45  # normalised autocorrelation above which a frame is voiced
ENVELOPE = 30  # cepstral coefficients of a spectral envelope


def spectrogram(samples: np.ndarray) -> torch.Tensor:
    """Complex spectrum (BINS / 2 + 1, T)."""
    window = torch.hann_window(BINS)
    return torch.stft(torch.from_numpy(samples).float(), BINS, HOP, window=window, return_complex=True)


def inverse(spectrum: torch.Tensor, length: int) -> np.ndarray:
    """Samples (length,) of a complex spectrum."""
    return torch.istft(spectrum, BINS, HOP, window=torch.hann_window(BINS), length=length).numpy()


def random_phases(shape: torch.Size, generator: np.random.Generator) -> torch.Tensor:
    """Complex numbers of modulus 1 and random angle."""
    angles = torch.from_numpy(generator.uniform(-np.pi, np.pi, tuple(shape))).float()
    return torch.polar(torch.ones_like(angles), angles)


def griffin_lim(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Mel spectrogram of 80 bands, inverted, with phases found by fast Griffin-Lim."""
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(BINS // 2 + 1, MEL_BANDS, 0.0, RATE / 2, RATE, mel_scale="htk")
    filters = torch.from_numpy(bank).float()  # (BINS / 2 + 1, MEL_BANDS)
    mel = filters.T @ spectrogram(samples).abs()
    magnitude = (torch.linalg.pinv(filters.T) @ mel).clamp(min=1e-6)
    phases, before = random_phases(magnitude.shape, generator), torch.zeros_like(magnitude, dtype=torch.complex64)
    for _ in range(GRIFFIN_LIM_ROUNDS):
        rebuilt = spectrogram(inverse(magnitude * phases, len(samples)))
        phases = rebuilt - MOMENTUM / (1 + MOMENTUM) * before
        phases, before = phases / phases.abs().clamp(min=1e-8), rebuilt
    return inverse(magnitude * phases, len(samples))


def random_phase(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The magnitudes kept, the phases drawn anew."""
    magnitude = spectrogram(samples).abs()
    return inverse(magnitude * random_phases(magnitude.shape, generator), len(samples))


def band_limited(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Telephone band, and 8-bit steps on a logarithmic scale."""
    highest = generator.uniform(3300, 3900)
    narrow = signal.sosfiltfilt(signal.butter(8, highest, fs=RATE, output="sos"), samples)
    largest = np.abs(narrow).max() + 1e-9
    squeezed = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / largest) / np.log(256)
    steps = np.round(squeezed * 127) / 127
    return np.sign(steps) * (np.power(256.0, np.abs(steps)) - 1) / 255 * largest


def smoothed(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Logarithmic magnitudes smoothed over time and frequency, as by a network trained on their mean; phases kept."""
    spectrum = spectrogram(samples)
    magnitude = spectrum.abs().clamp(min=1e-6)
    widths = 1 + 2 * int(generator.integers(2, 4)), 1 + 2 * int(generator.integers(1, 3))
    smooth = torch.nn.functional.avg_pool2d(
        magnitude.log()[None, None], widths[::-1], 1, (widths[1] // 2, widths[0] // 2), count_include_pad=False
    )
    return inverse(smooth[0, 0].exp() * spectrum / magnitude, len(samples))


def linear_prediction(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Linear prediction with pulses or noise for the residual."""
    return source_filter(samples, generator, lpc_frame)


def cepstral(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Spectral envelope by cepstrum, minimum phase, with pulses or noise for the source."""
    return source_filter(samples, generator, cepstral_frame)


def source_filter(
    samples: np.ndarray,
    generator: np.random.Generator,
    shape: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Overlap-add of frames of an artificial source, each shaped as the recording's frame is.

    Args:
        samples: (N,).
        generator: of the noise.
        shape: (frame of the recording, frame of the source) -> the source with the recording's envelope.
    """
    padded = np.pad(samples.astype(np.float64), (FRAME, 2 * FRAME))
    window = signal.windows.hann(FRAME, sym=False)
    starts = np.arange(0, len(padded) - FRAME, STEP)
    source = excitation(padded, starts, generator)
    output = np.zeros(len(padded) + FRAME)
    for start in starts:
        frame = padded[start : start + FRAME] * window
        energy = np.sqrt(np.square(frame).sum())
        if energy < 1e-6:
            continue
        shaped = shape(frame, source[start : start + FRAME] * window)
        output[start : start + FRAME] += shaped * (energy / (np.sqrt(np.square(shaped).sum()) + 1e-9))
    return output[FRAME : FRAME + len(samples)] / (window.sum() / STEP)


def lpc_frame(frame: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Filter a source by the all-pole filter of a frame."""
    correlation = signal.correlate(frame, frame, "full")[FRAME - 1 : FRAME + LPC_ORDER]
    correlation[0] = correlation[0] * 1.0001 + 1e-9
    coefficients = solve_toeplitz(correlation[:-1], correlation[1:])
    return signal.lfilter([1.0], np.concatenate([[1.0], -coefficients]), source)


def cepstral_frame(frame: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Filter a source by the minimum-phase filter of a frame's smooth envelope."""
    logarithm = np.log(np.abs(np.fft.rfft(frame, BINS)) + 1e-6)
    cepstrum = np.fft.irfft(logarithm)
    folded = np.zeros(BINS)
    folded[0], folded[1:ENVELOPE] = cepstrum[0], 2 * cepstrum[1:ENVELOPE]
    return np.fft.irfft(np.exp(np.fft.rfft(folded)) * np.fft.rfft(source, BINS))[:FRAME]


def excitation(samples: np.ndarray, starts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Pulses at the recording's pitch where it is voiced, noise elsewhere, of equal power, (N,)."""
    source = 0.3 * generator.standard_normal(len(samples))
    place = 0.0
    for start in starts:
        period = pitch_period(samples[start : start + FRAME])
        if period is None:
            place = start + STEP
            continue
        source[start : start + STEP] = 0.02 * generator.standard_normal(STEP)
        place = max(place, float(start))
        while place < start + STEP:
            source[int(place)] = np.sqrt(period)
            place += period
    return source


def pitch_period(frame: np.ndarray) -> float | None:
    """Period in samples by autocorrelation; None where the frame is not voiced."""
    frame = frame - frame.mean()
    spectrum = np.fft.rfft(frame, 1024)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)
    low, high = int(RATE / PITCH[1]), int(RATE / PITCH[0])
    best = low + int(correlation[low:high].argmax())
    if correlation[0] < 1e-6 or correlation[best] / correlation[0] * FRAME / (FRAME - best) < VOICED:
        return None
    return float(best)


def world(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """WORLD (Morise et al. 2016): pitch, envelope, aperiodicity, often coded on few coefficients or moved in pitch."""
    try:
        import pyworld
    except ImportError:  # which it raises, too, where setuptools has no pkg_resources any more
        raise InputError("the vocoder world needs pyworld: pip install pyworld 'setuptools<81'") from None

    wave = np.ascontiguousarray(samples, np.float64)
    pitch, times = pyworld.dio(wave, RATE)
    pitch = pyworld.stonemask(wave, pitch, times, RATE)
    envelope = pyworld.cheaptrick(wave, pitch, times, RATE)
    aperiodicity = pyworld.d4c(wave, pitch, times, RATE)
    size = (envelope.shape[1] - 1) * 2
    if generator.random() < 0.6:
        coded = pyworld.code_spectral_envelope(envelope, RATE, int(generator.integers(24, 80)))
        envelope = pyworld.decode_spectral_envelope(coded, RATE, size)
    if generator.random() < 0.5:
        coded = pyworld.code_aperiodicity(aperiodicity, RATE)
        aperiodicity = pyworld.decode_aperiodicity(coded, RATE, size)
    if generator.random() < 0.3:
        pitch = pitch * float(generator.uniform(0.85, 1.2))
    made = pyworld.synthesize(pitch, np.ascontiguousarray(envelope), np.ascontiguousarray(aperiodicity), RATE)
    return np.pad(made, (0, max(0, len(wave) - len(made))))[: len(wave)]


VOCODERS: dict[str, Vocoder] = {
    "griffin_lim": griffin_lim,
    "linear_prediction": linear_prediction,
    "random_phase": random_phase,
    "band_limited": band_limited,
    "cepstral": cepstral,
    "smoothed": smoothed,
    "world": world,
}


def synthesise(name: str, samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Copy-synthesis (N,) float32 of samples (N,) by a vocoder, at the loudness of the original."""
    return at_loudness(VOCODERS[name](samples, generator), samples)


def at_loudness(made: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """What was made (N,), float32, with the mean power of samples (M,), or as near to it as full scale allows."""
    made = np.asarray(made, dtype=np.float64)
    scale = np.sqrt(np.mean(np.square(samples, dtype=np.float64)) / (np.mean(np.square(made)) + 1e-12))
    made = made * scale
    return (made / max(1.0, np.abs(made).max() / 0.99)).astype(np.float32)
