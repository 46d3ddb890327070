"""Recordings as samples at one rate, whatever file they come in."""

import contextlib
import dataclasses
import io
import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from reprise.core.errors import InputError
from reprise.core.files import atomic_path, refuse_linked_folders
from reprise.core.standard_error import standard_error_to
from reprise.core.text import compose_name
from reprise.deepfake.data.containers import (
    MOST_PADDING,
    ContainerError,
    Content,
    PiecewiseFile,
    Stream,
    find_streams,
)

RATE = 16_000  # samples a second, of everything after this module
EXTENSIONS = (".flac", ".wav", ".mp3", ".ogg", ".opus")
SILENCE = 1e-4  # a recording whose samples stay this near to one level holds nothing
LOUDEST = 16  # of full scale; samples of floating point beyond that count in other units
CANCELLED = 0.01  # of the channels' power; a mix of less is what is left where channels are opposite
CLIPPED_LEVEL, CLIPPED_SHARE = 0.999, 1e-3  # of full scale; of the samples, to be called clipped
BLOCK_SECONDS = 30  # given out at once, so that memory does not grow with the length
FRAMES_AT_ONCE = 4096  # decoded at once; what precedes an error in them is lost
RATES = (1_000, 768_000)  # of a file, samples a second
MOST_CHANNELS = 64
LARGEST_PIPE = 2**30  # bytes that are taken from a pipe, which has to fit into memory
TOLERANCE = 0.05  # seconds that may lack: some headers count in blocks
ENDLESS = 2**60  # frames that libsndfile names where it does not know


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
    audio = AudioFile(path, max_seconds)
    samples = np.concatenate([np.zeros(0, np.float32), *audio.blocks()])
    audio.refuse_damage()
    seconds = len(samples) / RATE
    if seconds < min_seconds:
        raise InputError(f"{path}: {seconds:.3f} s; expected at least {min_seconds:g} s")
    audio.refuse_silence()
    clipped = float((np.abs(samples) >= CLIPPED_LEVEL).mean()) > CLIPPED_SHARE
    return Recording(samples, audio.rate, audio.channels, clipped)


class AudioFile:
    """An audio file that is read to its real end, stream after stream.

    Args:
        path: WAV, FLAC, Ogg Vorbis, Opus or MP3; a pipe too.
        max_seconds: of sound, at most.

    Attributes:
        rate: of the first stream.
        channels: of the first stream.
        damage: once all blocks have been read, what is wrong with the file; None: it is whole.
    """

    def __init__(self, path: Path, max_seconds: float = float("inf")) -> None:
        self.path, self.max_seconds = path, max_seconds
        self.rate = self.channels = 0
        self.damage: str | None = None
        self._levels: list[Levels] = []

    def blocks(self) -> Iterator[np.ndarray]:
        """Read blocks (N,) float32 at RATE, mono, of BLOCK_SECONDS; the last one is shorter.

        Samples beyond full scale, which files of floating point and lossy ones can hold, are clipped.

        Raises:
            InputError: missing, empty, not audio, longer than the limit, or with samples that are no numbers.
        """
        waiting: list[np.ndarray] = []
        for part in self._parts():
            waiting.append(np.clip(part, -1, 1))
            while sum(map(len, waiting)) >= BLOCK_SECONDS * RATE:
                joined = np.concatenate(waiting)
                yield joined[: BLOCK_SECONDS * RATE]
                waiting = [joined[BLOCK_SECONDS * RATE :]]
        if rest := sum(map(len, waiting)):
            yield np.concatenate(waiting)[:rest]

    def refuse_damage(self) -> None:
        """To be called after the blocks.

        Raises:
            InputError: the file is damaged.
        """
        if self.damage is not None:
            raise InputError(f"{self.path}: {self.damage}")

    def refuse_silence(self) -> None:
        """To be called after the blocks.

        Raises:
            InputError: nothing is to be heard: the samples stay at one level, or the channels cancel each other.
        """
        heard = [levels for levels in self._levels if levels.high >= levels.low]
        mixed, power = sum(levels.mixed for levels in heard), sum(levels.power for levels in heard)
        if heard and mixed < CANCELLED * power:
            raise InputError(f"{self.path}: its channels cancel each other where they are mixed; give one of them")
        if not heard or max(each.high for each in heard) - min(each.low for each in heard) < 2 * SILENCE:
            raise InputError(f"{self.path}: silent: its samples stay within {SILENCE:g} of one level")

    def _parts(self) -> Iterator[np.ndarray]:
        with open_content(self.path) as content:
            try:
                streams = find_streams(content)
            except ContainerError as error:
                raise InputError(f"{self.path}: {error}") from None
            read, promised, reason = 0.0, 0.0, None
            for stream in streams:
                decoder = Decoder(self.path, content, stream, self.max_seconds - read)
                self._levels.append(decoder.levels)
                yield from decoder.parts()
                if not self.rate:
                    self.rate, self.channels = decoder.rate, decoder.channels
                read += decoder.seconds
                promised += decoder.seconds if stream.promised is None else stream.promised
                reason = reason or decoder.damage
            if reason is not None:
                wanted = f"{promised:.2f} s promised" if promised > read else "more"
                self.damage = f"damaged audio: {reason}; {read:.2f} s can be read of {wanted}"


class open_content:  # noqa: N801 -- used as a function is
    """Open a file as bytes that are sliced and searched, without reading it into memory.

    Raises:
        InputError: missing, a folder, empty, or not to be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.map: mmap.mmap | None = None

    def __enter__(self) -> Content:
        try:
            mode = self.path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise InputError(f"{self.path}: a folder; expected a recording")
            with self.path.open("rb") as file:
                if not stat.S_ISREG(mode):
                    content = file.read(LARGEST_PIPE + 1)
                    if len(content) > LARGEST_PIPE:
                        raise InputError(f"{self.path}: more than {LARGEST_PIPE} bytes from a pipe; give a file")
                    if content:
                        return content
                elif self.path.stat().st_size:
                    self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                    return self.map  # type: ignore[return-value]
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from None
        raise InputError(f"{self.path}: empty file")

    def __exit__(self, *_: object) -> None:
        if self.map is not None:
            self.map.close()


class _Unsought(soundfile.SoundFile):
    """A file that is read straight through.

    Soundfile seeks after every read of a file that can be sought, which fails where the length is unknown.
    """

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keep what C code writes to standard error from the console: mpg123 tells there of every frame that is damaged."""
    with Path(os.devnull).open("wb") as nowhere, standard_error_to(nowhere.fileno()):
        yield


@dataclasses.dataclass
class Levels:
    """What was decoded, at the file's rate.

    Attributes:
        low: least sample of the mix of all channels.
        high: largest one.
        mixed: sum of the squares of the mix.
        power: the same of the channels, their mean.
    """

    low: float = float("inf")
    high: float = -float("inf")
    mixed: float = 0.0
    power: float = 0.0

    def add(self, block: np.ndarray, mono: np.ndarray) -> None:
        """Count samples (N, C) and their mix (N,)."""
        self.low, self.high = min(self.low, float(mono.min())), max(self.high, float(mono.max()))
        self.mixed += float(np.square(mono, dtype=np.float64).sum())
        self.power += float(np.square(block, dtype=np.float64).mean(axis=1).sum())


class Decoder:
    """Decodes one stream.

    Args:
        path: for errors.
        content: the file.
        stream: of it.
        max_seconds: at most.

    Attributes:
        rate: samples a second.
        channels: number of them.
        seconds: decoded so far.
        levels: of what was decoded so far.
        damage: after the last part, what is wrong with the stream; None: nothing.
    """

    def __init__(self, path: Path, content: Content, stream: Stream, max_seconds: float) -> None:
        self.path, self.stream, self.max_seconds = path, stream, max_seconds
        self.seconds = 0.0
        self.levels = Levels()
        self.damage = stream.damage
        try:
            with silenced():
                self.file = _Unsought(PiecewiseFile(content, stream.pieces))
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path}: not audio that can be read, or damaged: {error.error_string}") from None
        self.rate, self.channels = self.file.samplerate, self.file.channels
        if not RATES[0] <= self.rate <= RATES[1] or not 1 <= self.channels <= MOST_CHANNELS:
            raise InputError(f"{path}: {self.rate} samples a second in {self.channels} channels; not a recording")
        if stream.promised is not None and stream.damage is None:
            self._limit(stream.promised)

    def parts(self) -> Iterator[np.ndarray]:
        """Decode parts (N,) float32 at RATE, mono, to the stream's real end."""
        resample = soxr.ResampleStream(self.rate, RATE, 1, dtype="float32") if self.rate != RATE else None
        decoded = 0
        with self.file:
            while len(block := self._read()):
                decoded += len(block)
                if not len(block := self._cut(block, decoded)):
                    continue  # to the end, to know how much lies there
                self.seconds += len(block) / self.rate
                self._limit(self.seconds)
                with np.errstate(all="ignore"):  # what is not finite is refused below
                    mono = block.mean(axis=1)
                self._refuse_impossible(block)
                self.levels.add(block, mono)
                yield resample.resample_chunk(mono) if resample else mono
        if resample and decoded:
            yield resample.resample_chunk(np.zeros(0, np.float32), last=True)
        expected = self.stream.promised or 0.0
        if self.file.frames < ENDLESS and self.stream.frames is None:
            expected = max(expected, self.file.frames / self.rate)
        if self.seconds < expected - TOLERANCE:
            self.damage = self.damage or "it ends early"

    def _read(self) -> np.ndarray:
        try:
            with silenced() if self.file.format == "MP3" else contextlib.nullcontext():
                return self.file.read(FRAMES_AT_ONCE, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            self.damage = self.damage or error.error_string.removeprefix("Error : ").strip().rstrip(".")
            return np.zeros((0, self.channels), np.float32)

    def _cut(self, block: np.ndarray, decoded: int) -> np.ndarray:
        """Leave out what lies behind the stream's stated end: an encoder's padding, or else sound that is hidden."""
        beyond = 0 if self.stream.frames is None else decoded - self.stream.frames
        if beyond > MOST_PADDING:
            self.damage = self.damage or "there is sound behind its stated end"
        return block[: max(0, len(block) - max(0, beyond))]

    def _refuse_impossible(self, block: np.ndarray) -> None:
        """Refuse samples (N, C) that are not finite, or so large that they count in other units."""
        with np.errstate(all="ignore"):
            loudest = float(np.abs(block).max(initial=0))
        if not np.isfinite(loudest):
            raise InputError(f"{self.path}: samples that are not finite numbers")
        if loudest > LOUDEST:
            raise InputError(f"{self.path}: samples up to {loudest:g}; expected -1 to 1, which is full scale")

    def _limit(self, seconds: float) -> None:
        if seconds > self.max_seconds:
            raise InputError(f"{self.path}: {seconds:.0f} s; expected at most {self.max_seconds:g} s")


def list_recordings(folder: Path) -> list[Path]:
    """List the recordings in a folder and its subfolders, sorted.

    Raises:
        InputError: no such folder, no recording in it, or a folder below that is a link.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of recordings")
    found = sorted(folder.rglob("*"))
    refuse_linked_folders(folder, [path.relative_to(folder).as_posix() for path in found if path.is_dir()])
    paths = [path for path in found if path.suffix.lower() in EXTENSIONS and path.is_file()]
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
        self.recordings = list_recordings(folder)
        self.paths: dict[str, list[Path]] = {}
        for path in self.recordings:
            for name in (path.name, path.stem):
                self.paths.setdefault(compose_name(name), []).append(path)

    def matches(self, utterance: str) -> list[Path]:
        """All recordings that an utterance may mean: one where it is clear."""
        *folders, name = utterance.split("/")
        return [path for path in self.paths.get(name, []) if not folders or self._lies_in(path, folders)]

    def find(self, utterance: str, where: str) -> Path:
        """Find an utterance, whose name is composed (`compose_name`) and may have folders before it.

        Raises:
            InputError: none, or several; the line starts with `where`.
        """
        found = self.matches(utterance)
        if not found:
            raise InputError(f"{where}: utterance {utterance!r} has no recording under {self.folder}")
        if len(found) > 1:
            raise InputError(f"{where}: utterance {utterance!r} could be any of {', '.join(map(str, found[:3]))}")
        return found[0]

    def _lies_in(self, path: Path, folders: list[str]) -> bool:
        """Whether a recording's folders end in the given ones, or these in those below the folder of all."""
        whole = [compose_name(part) for part in path.parent.parts]
        below = [compose_name(part) for part in path.parent.relative_to(self.folder).parts]
        return whole[-len(folders) :] == folders or folders[len(folders) - len(below) :] == below


def write_flac(path: Path, samples: np.ndarray) -> None:
    """Write samples (N,) in [-1, 1], louder ones cut, as FLAC of 16 bits at RATE; whole or not at all."""
    encoded = io.BytesIO()  # libsndfile does not say that a disk is full
    soundfile.write(encoded, np.clip(samples, -1, 1), RATE, format="FLAC", subtype="PCM_16")
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.getvalue())
