"""Channels that speech, natural or not, passes between mouth and file: codecs, noise, rooms, denoisers, bands.

Each takes samples (N,) in [-1, 1] at 16 kHz and gives (N,) float32 at the same timing. Training applies them to natural
speech and spoofs alike, so that the channel says nothing about the label; evaluation measures each.
"""

import io
from collections.abc import Callable

import numpy as np
import pyroomacoustics
import soundfile
import soxr
from scipy import signal

from reprise.deepfake.data.audio import RATE

TELEPHONE_RATE = 8_000
TELEPHONE_BAND = (300.0, 3400.0)  # hertz, ITU-T G.712
DENOISER_BINS, DENOISER_HOP = 512, 128
ROOM_SIZES = (2.5, 2.5, 2.2), (10.0, 8.0, 4.0)  # metres
ROOM_DECAYS = (0.1, 0.7)  # seconds until a sound is 60 dB lower
SPEAKER_DISTANCES = (0.3, 3.0)  # metres from the microphone
WALL_DISTANCE = 0.4  # metres, of both
MOST_REFLECTIONS = 24  # in a row

Channel = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def through_file(
    samples: np.ndarray, rate: int, container: str, subtype: str, level: float | None = None
) -> np.ndarray:
    """Samples (N,) at `rate` as they come back from a file in memory, at the delay that fits best.

    Args:
        samples: (N,).
        rate: of them.
        container: libsndfile's name of the container.
        subtype: of the coding.
        level: 0 is the largest file, 1 the smallest.
    """
    file = io.BytesIO()
    options = {} if level is None else {"compression_level": level}
    soundfile.write(file, np.clip(samples, -1, 1), rate, format=container, subtype=subtype, **options)
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return align(decoded, samples)


def align(decoded: np.ndarray, samples: np.ndarray, largest: int = 2400) -> np.ndarray:
    """Shift a decoded signal to where it correlates best with samples (N,), and cut it to their length."""
    length = len(samples)
    size = 1 << (length + len(decoded) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(samples, size)), size)
    lags = np.concatenate([products[: largest + 1], products[-largest:]])
    place = int(lags.argmax())
    lag = place if place <= largest else place - len(lags)
    moved = decoded[lag:] if lag >= 0 else np.pad(decoded, (-lag, 0))
    return np.pad(moved, (0, max(0, length - len(moved))))[:length].astype(np.float32)


def telephone(samples: np.ndarray, subtype: str) -> np.ndarray:
    """G.711 (mu-law or A-law) at 8 kHz in the telephone's band."""
    narrow = soxr.resample(samples.astype(np.float32), RATE, TELEPHONE_RATE)
    narrow = signal.sosfilt(signal.butter(4, TELEPHONE_BAND, "band", fs=TELEPHONE_RATE, output="sos"), narrow)
    wide = soxr.resample(through_file(narrow, TELEPHONE_RATE, "WAV", subtype), TELEPHONE_RATE, RATE)
    return align(wide, samples, largest=80)


def mu_law(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Telephones of North America and Japan."""
    return telephone(samples, "ULAW")


def a_law(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Telephones elsewhere."""
    return telephone(samples, "ALAW")


def gsm(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """GSM 06.10 full rate, 13 kbit/s."""
    return telephone(samples, "GSM610")


def mp3(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """MPEG layer III at a random quality."""
    return through_file(samples, RATE, "MP3", "MPEG_LAYER_III", float(generator.uniform(0.3, 0.95)))


def vorbis(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Ogg Vorbis at a random quality."""
    return through_file(samples, RATE, "OGG", "VORBIS", float(generator.uniform(0.3, 0.95)))


def opus(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Opus, as on the net's telephones, at a random rate."""
    return through_file(samples, RATE, "OGG", "OPUS", float(generator.uniform(0.5, 0.98)))


def coloured_noise(count: int, slope: float, generator: np.random.Generator) -> np.ndarray:
    """Noise (count,) whose power falls by `slope` times 3 dB an octave: 0 white, 1 pink, 2 brown."""
    frequencies = np.fft.rfftfreq(count, 1 / RATE)
    spectrum = np.fft.rfft(generator.standard_normal(count)) / np.maximum(frequencies, 50.0) ** (slope / 2)
    return np.fft.irfft(spectrum, count)


def noise(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Stationary noise of a random colour, 5 to 35 dB below the speech."""
    added = coloured_noise(len(samples), float(generator.uniform(0, 2)), generator)
    decibels = float(generator.uniform(5, 35))
    level = np.sqrt(np.mean(np.square(samples)) / max(float(np.mean(np.square(added))), 1e-12)) * 10 ** (-decibels / 20)
    return (samples + level * added).astype(np.float32)


def room(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A shoebox room by the image-source method (Allen and Berkley, JASA 1979), the direct sound as it was.

    Size, reverberation, places and distance (as often 0.3 to 1 m as 1 to 3 m) are drawn.
    """
    return signal.fftconvolve(samples, room_response(generator))[: len(samples)].astype(np.float32)


def room_response(generator: np.random.Generator) -> np.ndarray:
    """Impulse response (K,) of a random room at RATE, from the direct sound on, which is 1."""
    pyroomacoustics.constants.set("num_threads", 1)  # sums of several threads would differ from machine to machine
    while True:
        size, decay = generator.uniform(*ROOM_SIZES), float(generator.uniform(*ROOM_DECAYS))
        microphone = generator.uniform(WALL_DISTANCE, size - WALL_DISTANCE)
        distance, direction = float(np.exp(generator.uniform(*np.log(SPEAKER_DISTANCES)))), generator.standard_normal(3)
        speaker = microphone + distance * direction / np.linalg.norm(direction)
        if ((speaker < WALL_DISTANCE) | (speaker > size - WALL_DISTANCE)).any():
            continue
        try:
            absorption, order = pyroomacoustics.inverse_sabine(decay, size)
        except ValueError:  # its walls would have to swallow more than all sound
            continue
        walls = pyroomacoustics.Material(absorption)
        simulated = pyroomacoustics.ShoeBox(size, fs=RATE, materials=walls, max_order=min(order, MOST_REFLECTIONS))
        simulated.add_source(speaker)
        simulated.add_microphone(microphone)
        simulated.compute_rir()
        constant = pyroomacoustics.constants.get  # each sound is delayed by half the filter that places it
        direct = round(distance / constant("c") * RATE) + constant("frac_delay_length") // 2
        return simulated.rir[0][0][direct:] / simulated.rir[0][0][direct]


def band(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A cheap microphone: a tilt of the spectrum, a low cut, a high cut between 3.4 and 7.8 kHz."""
    low, high = float(generator.uniform(20, 250)), float(generator.uniform(3400, 7800))
    filtered = signal.sosfilt(signal.butter(2, low, "high", fs=RATE, output="sos"), samples)
    filtered = signal.sosfilt(signal.butter(6, high, fs=RATE, output="sos"), filtered)
    tilt = float(generator.uniform(-0.6, 0.6))
    return signal.lfilter([1.0, tilt], [1.0], filtered).astype(np.float32)


def denoise(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A noise gate by bin: Wiener gain over the quiet tenth of each bin, as calls and podcasts have it."""
    _, _, spectrum = signal.stft(samples, RATE, nperseg=DENOISER_BINS, noverlap=DENOISER_BINS - DENOISER_HOP)
    power = np.square(np.abs(spectrum))
    smooth = signal.lfilter([0.4], [1, -0.6], power, axis=1)
    floor = np.quantile(power, 0.1, axis=1, keepdims=True) * float(generator.uniform(1.5, 6.0))
    least = 10 ** (-generator.uniform(10, 40) / 20)
    gain = np.maximum(1 - floor / np.maximum(smooth, 1e-12), least)
    _, cleaned = signal.istft(spectrum * gain, RATE, nperseg=DENOISER_BINS, noverlap=DENOISER_BINS - DENOISER_HOP)
    return np.pad(cleaned, (0, max(0, len(samples) - len(cleaned))))[: len(samples)].astype(np.float32)


CHANNELS: dict[str, Channel] = {
    "mu_law": mu_law,
    "a_law": a_law,
    "gsm": gsm,
    "mp3": mp3,
    "vorbis": vorbis,
    "opus": opus,
    "noise": noise,
    "room": room,
    "band": band,
    "denoise": denoise,
}
