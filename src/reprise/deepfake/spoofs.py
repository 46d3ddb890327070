"""Spoofs as files: syntheses of recordings, sentences read aloud, each as it is and through channels.

`reprise vocode` runs `vocode_one` and `read_one` in several processes.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from reprise.core.errors import InputError
from reprise.core.seed import derive_seed
from reprise.deepfake.data.audio import RATE, read_audio, write_flac
from reprise.deepfake.data.protocols import KEYS, UNKNOWN, join_columns
from reprise.deepfake.detector.channel import CHANNELS
from reprise.deepfake.sample.vocoders import at_loudness, synthesise
from reprise.deepfake.sentences import Sentence
from reprise.deepfake.text_to_speech import label, load_voice, read_aloud

MIN_SECONDS, MAX_SECONDS = 0.2, 600.0
NATURAL = "-"  # in the column of what made an utterance


@dataclasses.dataclass(frozen=True)
class Making:
    """What is made of recordings and sentences.

    Attributes:
        vocoders: that each recording goes through.
        channels: that all is written through as well.
        voices: that read each sentence.
        seed: of all draws.
    """

    vocoders: Sequence[str]
    channels: Sequence[str] = ()
    voices: Sequence[str] = ()
    seed: int = 0


def output_name(utterance: str, vocoder: str, channel: str = "-") -> str:
    return "-".join([utterance, *(name for name in (vocoder, channel) if name != "-")])


def reading_name(voice: str, sentence: Sentence) -> str:
    """The utterance name of a sentence that a voice reads."""
    return f"{label(voice)}-{sentence.number:05}"


def vocode_one(utterance: str, path: Path, speaker: str, target: Path, making: Making) -> tuple[list[str], str | None]:
    """Write one recording and its syntheses; returns their protocol lines, or what is wrong with the recording."""
    torch.set_num_threads(1)  # the processes fill the cores
    try:
        samples = read_audio(path, MIN_SECONDS, MAX_SECONDS).samples
    except InputError as error:
        return [], str(error)
    lines = write_all(samples, speaker, utterance, NATURAL, target, making)
    for name in making.vocoders:
        generator = np.random.default_rng(derive_seed(making.seed, "vocode", utterance, name))
        made = synthesise(name, samples, generator)
        lines += write_all(made, speaker, output_name(utterance, name), name, target, making)
    return lines, None


def read_one(
    voice: str, sentence: Sentence, recording: Path, target: Path, making: Making
) -> tuple[list[str], str | None]:
    """Write a sentence read by a voice, as loud as a recording; returns its protocol lines, or what is wrong."""
    torch.set_num_threads(1)
    load_voice(voice)  # an error of it ends the command
    generator = np.random.default_rng(derive_seed(making.seed, "read", label(voice), sentence.text))
    try:
        samples = read_aloud(voice, sentence.text, generator)
    except InputError as error:
        return [], f"{sentence.place}: {error}"
    if not MIN_SECONDS <= (seconds := len(samples) / RATE) <= MAX_SECONDS:
        return [], (
            f"{sentence.place}: the voice {voice} reads it in {seconds:.2f} s; "
            f"expected {MIN_SECONDS:g} to {MAX_SECONDS:g} s"
        )
    try:
        heard = read_audio(recording, MIN_SECONDS, MAX_SECONDS).samples
    except InputError as error:
        return [], str(error)
    made = at_loudness(samples, heard)
    return write_all(made, UNKNOWN, reading_name(voice, sentence), label(voice), target, making), None


def write_all(
    samples: np.ndarray, speaker: str, utterance: str, attack: str, target: Path, making: Making
) -> list[str]:
    """Write samples (N,) as they are and through each channel; returns their protocol lines.

    Args:
        samples: at 16 kHz.
        speaker: of them.
        utterance: what the file is called.
        attack: what made them, or NATURAL.
        target: the folder.
        making: which channels, and the seed.
    """
    lines = []
    for channel in ("-", *making.channels):
        generator = np.random.default_rng(derive_seed(making.seed, "channel", utterance, channel))
        heard = samples if channel == "-" else CHANNELS[channel](samples, generator)
        written = output_name(utterance, "-", channel)
        write_flac(target / f"{written}.flac", heard)
        lines.append(join_columns([speaker, written, "-", attack, KEYS[attack != NATURAL]]))
    return lines
