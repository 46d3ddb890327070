"""Recordings as samples at one rate, whatever file they come in."""

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from reprise.core.errors import InputError
from reprise.core.files import atomic_path
from reprise.deepfake.data.protocols import normalise

RATE = 16_000  # samples a second, of everything after this module
EXTENSIONS = (".flac", ".wav", ".mp3", ".ogg", ".opus")
SILENCE = 1e-4  # a recording whose largest sample is smaller holds nothing
CLIPPED_LEVEL, CLIPPED_SHARE = 0.999, 1e-3  # of full scale; of the samples, to be called clipped
BLOCK_SECONDS = 30  # read at once, so that memory does not grow with the length


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recording.

    Attributes:
        samples: (N,) float32 in [-1, 1], mono, at RATE.
        rate: of the file.
        channels: of the file.
        clipped: whether many samples stand at full scale.
    """

    samples: np.ndarray
    rate: int
    channels: int
    clipped: bool


def read_audio(path: Path, min_seconds: float, max_seconds: float) -> Recording:
    """Read a recording whole.

    Raises:
        InputError: missing, empty, not audio, damaged, silent, not numbers, or of a length outside the limits.
    """
    found = list(read_blocks(path, max_seconds))
    samples = np.concatenate([block for block, _, _ in found]) if found else np.zeros(0, np.float32)
    seconds = len(samples) / RATE
    if seconds < min_seconds:
        raise InputError(f"{path}: {seconds:.3f} s; expected at least {min_seconds:g} s")
    largest = float(np.abs(samples).max())
    if largest < SILENCE:
        raise InputError(f"{path}: silent: no sample is above {SILENCE:g} of full scale")
    clipped = float((np.abs(samples) >= CLIPPED_LEVEL).mean()) > CLIPPED_SHARE
    return Recording(samples, *found[0][1:], clipped)


def read_blocks(path: Path, max_seconds: float = float("inf")) -> Iterator[tuple[np.ndarray, int, int]]:
    """Read a recording in blocks of (N,) float32 at RATE, mono, with the file's rate and number of channels.

    Raises:
        InputError: missing, empty, not audio, damaged, longer than the limit, or with samples that are no numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: empty file")
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            if frames / rate > max_seconds:
                raise InputError(f"{path}: {frames / rate:.0f} s; expected at most {max_seconds:g} s")
            resample = soxr.ResampleStream(rate, RATE, 1, dtype="float32") if rate != RATE else None
            seen = 0
            for block in file.blocks(BLOCK_SECONDS * rate, dtype="float32", always_2d=True):
                seen += len(block)
                mono = block.mean(axis=1)
                if not np.isfinite(mono).all():
                    raise InputError(f"{path}: samples that are not finite numbers")
                yield (resample.resample_chunk(mono, last=seen >= frames) if resample else mono), rate, channels
            if seen < frames:
                raise InputError(f"{path}: damaged audio: {seen} of {frames} frames can be read")
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path}: not audio that can be read, or damaged: {error.error_string}") from None


def list_recordings(folder: Path) -> list[Path]:
    """List the recordings in a folder and its subfolders, sorted.

    Raises:
        InputError: no such folder, or no recording in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of recordings")
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in EXTENSIONS and path.is_file()]
    if not paths:
        raise InputError(f"{folder}: no recording in it; known extensions are {', '.join(EXTENSIONS)}")
    return paths


class AudioFolder:
    """The recordings under a folder, found by name with or without extension.

    Args:
        folder: read with its subfolders.

    Raises:
        InputError: no such folder, or no recording in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: dict[str, list[Path]] = {}
        for path in list_recordings(folder):
            for name in (path.name, path.stem):
                self.paths.setdefault(normalise(name), []).append(path)

    def find(self, utterance: str, where: str) -> Path:
        """Find an utterance, whose name is composed (`normalise`).

        Raises:
            InputError: none, or several; the line starts with `where`.
        """
        found = self.paths.get(utterance, [])
        if not found:
            raise InputError(f"{where}: utterance {utterance!r} has no recording under {self.folder}")
        if len(found) > 1:
            raise InputError(f"{where}: utterance {utterance!r} could be any of {', '.join(map(str, found[:3]))}")
        return found[0]


def write_flac(path: Path, samples: np.ndarray) -> None:
    """Write samples (N,) in [-1, 1], louder ones cut, as FLAC of 16 bits at RATE; whole or not at all."""
    encoded = io.BytesIO()  # libsndfile does not say that a disk is full
    soundfile.write(encoded, np.clip(samples, -1, 1), RATE, format="FLAC", subtype="PCM_16")
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.getvalue())
