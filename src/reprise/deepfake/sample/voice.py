"""Speech-like signals by the source-filter model: glottal pulses and noise through moving formants, room, microphone.

Not human speech: it shows the machinery. What makes it natural here is what vocoders lose: jitter and shimmer of the
pulses, breath that swells with them, formants that never stand still, one room and one microphone for all of it.
"""

import dataclasses

import numpy as np
from scipy import signal

from reprise.deepfake.data.audio import RATE

BLOCK = 80  # samples between values of formants and pitch

VOWELS = np.array(  # first four formants of an adult, in hertz
    [
        [730, 1090, 2440, 3400],
        [270, 2290, 3010, 3700],
        [300, 870, 2240, 3300],
        [530, 1840, 2480, 3500],
        [570, 840, 2410, 3300],
        [440, 1020, 2240, 3300],
        [660, 1720, 2410, 3500],
        [490, 1350, 1690, 3200],
    ],
    dtype=np.float64,
)
BANDWIDTHS = np.array([70.0, 100.0, 140.0, 220.0])
FRICATIVES = ((2500.0, 5500.0), (4000.0, 7500.0), (1200.0, 7000.0))  # hertz


@dataclasses.dataclass(frozen=True)
class Speaker:
    """A voice, a room and a microphone.

    Attributes:
        pitch: mean, in hertz.
        tract: factor of all formants.
        jitter: relative deviation of a period.
        shimmer: relative deviation of a pulse's size.
        breath: noise for a pulse of size 1.
        rate: sounds a second.
        room: impulse response.
        microphone: second-order sections.
        floor: noise of the recording.
    """

    pitch: float
    tract: float
    jitter: float
    shimmer: float
    breath: float
    rate: float
    room: np.ndarray
    microphone: np.ndarray
    floor: float


def draw_speaker(generator: np.random.Generator) -> Speaker:
    """Draw a speaker."""
    decay = generator.uniform(0.02, 0.12)
    tail = generator.standard_normal(int(0.25 * RATE)) * np.exp(-np.arange(int(0.25 * RATE)) / (decay * RATE))
    room = np.concatenate([[1.0], generator.uniform(0.01, 0.06) * tail])
    low, high = generator.uniform(40, 150), generator.uniform(6500, 7900)
    return Speaker(
        pitch=float(np.exp(generator.uniform(np.log(90), np.log(240)))),
        tract=generator.uniform(0.88, 1.18),
        jitter=generator.uniform(0.006, 0.02),
        shimmer=generator.uniform(0.03, 0.12),
        breath=generator.uniform(0.02, 0.10),
        rate=generator.uniform(6, 11),
        room=room,
        microphone=signal.butter(2, [low, high], "bandpass", fs=RATE, output="sos"),
        floor=10 ** (-generator.uniform(45, 62) / 20),
    )


def draw_utterance(speaker: Speaker, seconds: float, generator: np.random.Generator) -> np.ndarray:
    """Samples (N,) float32 of an utterance."""
    blocks = int(seconds * RATE / BLOCK)
    voicing, frication, formants, bands = draw_sounds(speaker, blocks, generator)
    slow = signal.lfilter([0.02], [1, -0.98], generator.standard_normal(blocks)) * 6
    fall = np.linspace(0.12, -0.15, blocks)
    pitch = speaker.pitch * np.exp(0.05 * slow + fall)
    source = glottal_source(speaker, pitch, voicing, generator)
    voiced = formant_filter(source, formants * speaker.tract)
    noise = np.zeros(len(voiced))
    for index, (low, high) in enumerate(FRICATIVES):
        band = signal.sosfilt(
            signal.butter(2, [low, high], "bandpass", fs=RATE, output="sos"), generator.standard_normal(len(voiced))
        )
        noise += band * hold(frication * (bands == index))
    mixed = voiced / (np.abs(voiced).max() + 1e-9) + 0.12 * noise
    mixed = signal.fftconvolve(mixed, speaker.room)[: len(mixed)]
    mixed = signal.sosfilt(speaker.microphone, mixed)
    mixed = mixed / np.abs(mixed).max() * generator.uniform(0.3, 0.8)
    return (mixed + speaker.floor * generator.standard_normal(len(mixed))).astype(np.float32)


def hold(values: np.ndarray) -> np.ndarray:
    """Values (blocks,) at every sample, joined by straight lines."""
    samples = np.arange(len(values) * BLOCK) / BLOCK
    return np.interp(samples, np.arange(len(values)) + 0.5, values)


def draw_sounds(
    speaker: Speaker, blocks: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A random course of vowels, fricatives and pauses.

    Returns:
        Voicing and frication (blocks,) in [0, 1], formants (blocks, 4), and the band of the frication (blocks,).
    """
    voicing, frication = np.zeros(blocks), np.zeros(blocks)
    formants, bands = np.zeros((blocks, 4)), np.zeros(blocks, dtype=int)
    start, vowel = 0, VOWELS[0]
    while start < blocks:
        width = int(generator.gamma(6, 1 / 6) * RATE / BLOCK / speaker.rate) + 3
        part = slice(start, start + width)
        kind = generator.choice(["vowel", "nasal", "fricative", "pause"], p=[0.55, 0.15, 0.2, 0.1])
        if kind in ("vowel", "nasal"):
            vowel = VOWELS[generator.integers(len(VOWELS))] * generator.normal(1, 0.04, 4)
            voicing[part] = generator.uniform(0.7, 1) if kind == "vowel" else 0.35
        elif kind == "fricative":
            frication[part] = generator.uniform(0.4, 1)
            voicing[part] = generator.choice([0.0, 0.3])
        formants[part] = vowel
        bands[part] = generator.integers(len(FRICATIVES))
        start += width
    smooth = signal.windows.hann(13)
    smooth /= smooth.sum()
    moving = np.stack([np.convolve(np.pad(track, 6, "edge"), smooth, "valid") for track in formants.T], 1)
    drift = signal.lfilter([0.1], [1, -0.9], generator.standard_normal((blocks, 4)), axis=0) * 0.02
    voicing, frication = (np.convolve(np.pad(x, 3, "edge"), np.ones(7) / 7, "valid") for x in (voicing, frication))
    return voicing, frication, moving * (1 + drift), bands


def glottal_source(
    speaker: Speaker, pitch: np.ndarray, voicing: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Derivative of the glottal flow: a Rosenberg pulse a period, each of its own length and size, and breath."""
    total = len(pitch) * BLOCK
    flow = np.zeros(total + RATE // 20)
    place = 0.0
    while place < total:
        block = int(place) // BLOCK
        period = RATE / pitch[block] * (1 + speaker.jitter * generator.standard_normal())
        size = voicing[block] * (1 + speaker.shimmer * generator.standard_normal())
        rising, falling = int(0.4 * period), int(0.16 * period)
        pulse = np.concatenate(
            [0.5 * (1 - np.cos(np.pi * np.arange(rising) / rising)), np.cos(np.pi / 2 * np.arange(falling) / falling)]
        )
        flow[int(place) : int(place) + len(pulse)] += size * pulse
        place += period
    flow = flow[:total]
    breath = speaker.breath * generator.standard_normal(total) * (0.3 * hold(voicing) + flow)
    return np.diff(flow, prepend=0.0) * 8 + breath


def formant_filter(source: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Filter a source (N,) by resonances that move from block to block (blocks, 4)."""
    output = source
    for index, bandwidth in enumerate(BANDWIDTHS):
        radius = np.exp(-np.pi * bandwidth / RATE)
        angles = 2 * np.pi * np.clip(formants[:, index], 150, 7500) / RATE
        result, state = np.empty_like(output), np.zeros(2)
        for block, angle in enumerate(angles):
            poles = np.array([1.0, -2 * radius * np.cos(angle), radius**2])
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            result[part], state = signal.lfilter([poles.sum()], poles, output[part], zi=state)
        output = result
    return output
