"""Copies of training utterances: through channels, synthesised anew at random, faster and slower.

Natural speech has to vary in channel and noise, and spoofs in kind. Otherwise the detector takes a clean channel for a
sign of natural speech, and knows no vocoder but those of the training recordings. Speed moves pitch, formants and the
traces of a vocoder together (Ko et al., Interspeech 2015).
"""

import dataclasses
import functools
import itertools

import numpy as np
import soxr

from reprise.core.processes import rank, wait_for_all, world_size
from reprise.core.seed import derive_seed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, to_integers
from reprise.deepfake.detector.channel import CHANNELS
from reprise.deepfake.detector.frames import Change, hear_once
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.resynthesis import resynthesise
from reprise.deepfake.recipe import Recipe

LARGEST_CHAIN = 2  # channels one after the other
CHANGING = (
    "data.corpus",
    "detector.channel",
    "detector.copies",
    "detector.resynthesis",
)  # the modules that make copies
RESYNTHESIS_CHANNEL = 0.5  # probability that a re-synthesis goes through channels too


@dataclasses.dataclass(frozen=True)
class Copies:
    """Training utterances at one speed in all their forms: samples (N,), or frames (M, C) where the encoder is frozen.

    Attributes:
        forms: of each row, the recording first, those through channels after it.
        resyntheses: of each natural row; none of a spoof.
    """

    forms: list[list[np.ndarray]]
    resyntheses: list[list[np.ndarray]]


def distort(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Send samples (N,) through one or two random channels."""
    for _ in range(int(generator.integers(1, LARGEST_CHAIN + 1))):
        samples = CHANNELS[str(generator.choice(list(CHANNELS)))](samples, generator)
    return samples


def make_copies(corpus: Corpus, detector: Detector, recipe: Recipe, seed: int, device: str) -> list[Copies]:
    """Make the copies that a recipe asks for, as the detector takes them.

    Several processes share the work of the encoder; each then reads all of it from the cache.

    Returns:
        Copies at the recorded speed, then at each of `recipe.speeds`.
    """

    def form(row: int, kind: str, number: int, speed: float) -> np.ndarray:
        samples = corpus.waveform(row)
        if kind == "as it is" and speed == 1:
            return hear_once(samples, detector, device) if detector.framed else samples
        own_seed = derive_seed(seed, kind, row, number)
        change = change_of(kind, own_seed, speed)
        if not detector.framed:
            return change(samples)
        return hear_once(samples, detector, device, (f"{kind} {own_seed} {speed} {change_key()}", change))

    def forms_of(row: int, speed: float) -> list[np.ndarray]:
        return [
            form(row, "as it is", 0, speed),
            *(form(row, "channel", number, speed) for number in range(recipe.channel_copies)),
        ]

    def resyntheses_of(row: int, speed: float) -> list[np.ndarray]:
        count = 0 if corpus.spoof[row] else recipe.resyntheses
        return [form(row, "resynthesis", number, speed) for number in range(count)]

    rows, speeds = range(len(corpus)), (1.0, *recipe.speeds)
    if detector.framed and world_size() > 1:
        for row, speed in itertools.product(rows[rank() :: world_size()], speeds):
            forms_of(row, speed)
            resyntheses_of(row, speed)
        wait_for_all()
    return [
        Copies([forms_of(row, speed) for row in rows], [resyntheses_of(row, speed) for row in rows]) for speed in speeds
    ]


@functools.cache
def change_key() -> str:
    """Hash of the code that `change_of` runs."""
    from reprise.core.code import hash_modules, versions

    code = hash_modules(*(f"reprise.deepfake.{name}" for name in CHANGING))
    return f"{code} {versions('numpy', 'pyroomacoustics', 'scipy', 'soundfile', 'soxr', 'transformers')}"


def change_of(kind: str, seed: int, speed: float = 1.0) -> Change:
    """What makes a copy of samples (N,), as a file of 16 bits would hold it.

    Args:
        kind: "channel", "resynthesis" or "as it is".
        seed: of the copy.
        speed: the copy has N / speed samples, its pitch is `speed` times that of the recording.
    """

    def change(samples: np.ndarray) -> np.ndarray:
        generator = np.random.default_rng(seed)
        if speed != 1:
            samples = soxr.resample(samples, RATE * speed, RATE)
        if kind == "resynthesis":
            samples = resynthesise(samples, generator)
        if kind == "channel" or (kind == "resynthesis" and generator.random() < RESYNTHESIS_CHANNEL):
            samples = distort(samples, generator)
        samples = samples / max(1.0, float(np.abs(samples).max()))
        return to_integers(samples).astype(np.float32) / np.float32(32768)

    return change
