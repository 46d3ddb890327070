"""What the tab of speech shows: a recording's verdict, the moments that gave it, and whether to trust it."""

import base64
import contextlib
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from reprise.core.errors import InputError
from reprise.core.models import METADATA_KEY
from reprise.deepfake.data.audio import CLIPPED_LEVEL, CLIPPED_SHARE, RATE
from reprise.deepfake.predict import Judge, judge_recording, load_judge
from reprise.tools.demo.familiarity import Familiarity, compare_sound, open_familiarity
from reprise.tools.demo.uploads import named_as_given
from reprise.tools.demo.work import Report

AROUND = 0.5  # seconds that are heard before a moment and after it
LOSSY = ("MPEG", "VORBIS", "OPUS", "GSM", "ADPCM", "ULAW", "ALAW", "G72", "VOX", "NMS")  # in libsndfile's names
LEAST_IMPORTANCE = 0.1  # of a moment that is marked, unless it is the highest of all
TIME_LIMIT = 600.0  # seconds for one recording


@dataclasses.dataclass(frozen=True)
class WatchedJudge(Judge):
    """A judge who tells how much was heard, which is also where listening can be stopped."""

    report: Report | None = None
    heard: list[int] = dataclasses.field(default_factory=list)

    def hear(self, samples: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
        """As `Judge.hear`."""
        assert self.report is not None
        self.report(0, 0, f"listening, after {sum(self.heard) / RATE:.0f} s of the recording")
        self.heard.append(len(samples))
        return super().hear(samples)


@dataclasses.dataclass
class Speech:
    """The models, and what training recordings are like once they have been listened to.

    Attributes:
        judge: detector, baseline, explainer and decisions.
        channel_copies: of the detector's recipe.
        seed: of its copies.
    """

    judge: Judge
    channel_copies: int
    seed: int
    _familiarity: Familiarity | None = None
    _looked_for: bool = False

    def familiarity(self, report: Report) -> Familiarity | None:
        """What training recordings are like; None where they are not here.

        Raises:
            InputError: the recordings are damaged.
        """
        if not self._looked_for:
            self._familiarity = open_familiarity(self.channel_copies, self.seed, report)
            self._looked_for = True
        return self._familiarity


@dataclasses.dataclass(frozen=True)
class SpeechAnswer:
    """What is known of a recording.

    Attributes:
        record: what `reprise predict deepfake` prints, with `name` for its path, `file` and `familiarity`.
        samples: (N,) at RATE.
        importance: (F,), every 20 ms.
    """

    record: dict[str, Any]
    samples: np.ndarray
    importance: np.ndarray


def open_speech(models: Path) -> Speech:
    """Read the models of a folder.

    Raises:
        InputError: one is missing or damaged.
    """
    from safetensors import safe_open

    from reprise.deepfake.paths import DETECTOR

    with one_thread():  # which the judge sets for all that follows
        judge = load_judge(models, None, "auto", time_limit=TIME_LIMIT)
    with safe_open(models / DETECTOR.name, framework="pt") as file:  # whose checksum the judge has compared
        about = json.loads(file.metadata()[METADATA_KEY])
    return Speech(judge, int(about["recipe"]["channel_copies"]), 0)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: windows are small, and threads wait for each other longer than they help."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def explain_recording(path: Path, speech: Speech, report: Report) -> SpeechAnswer:
    """Judge a recording, and say what speaks for the verdict and against trusting it.

    Raises:
        InputError: as `judge_recording`, with the file's own name.
    """
    with named_as_given(path), one_thread():
        record, curve, samples = judge_recording(path, WatchedJudge(**vars(speech.judge), report=report), keep=True)
        familiarity = speech.familiarity(report)
    about = describe_file(path)
    record = {"name": path.name, **{key: value for key, value in record.items() if key != "path"}, "file": about}
    record["familiarity"] = None if familiarity is None else compare_sound(samples, familiarity)
    if record["familiarity"] is not None and record["familiarity"]["unlike"]:
        record["familiarity"]["reasons"] += file_reasons(about, samples)
    return SpeechAnswer(record, samples, curve)


def describe_file(path: Path) -> dict[str, Any]:
    """Container, coding and rate of a file, as libsndfile names them; empty where it cannot name them."""
    try:
        about = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError):  # joined streams, and lengths that it does not know
        return {}
    return {"format": about.format, "coding": about.subtype, "rate": about.samplerate, "channels": about.channels}


def file_reasons(about: dict[str, Any], samples: np.ndarray) -> list[str]:
    """What of a file may set a recording apart, in words: a lossy coding, a low rate, clipping."""
    found = []
    coding = str(about.get("coding", ""))
    if any(name in coding.upper() for name in LOSSY):
        found.append(f"a lossy coding: {coding}")
    if 0 < int(about.get("rate", 0)) < RATE:
        found.append(f"{about['rate']} samples a second, so that nothing lies above {about['rate'] / 2000:g} kHz")
    if float((np.abs(samples) >= CLIPPED_LEVEL).mean()) > CLIPPED_SHARE:
        found.append("clipping: many samples stand at full scale")
    return found


def marked_moments(record: dict[str, Any]) -> list[dict[str, float]]:
    """The moments of a record that are worth hearing: the first, and the others that have some importance."""
    first, *others = record["top_moments"]
    return [first, *(moment for moment in others if moment["importance"] >= LEAST_IMPORTANCE)]


def moment_clip(samples: np.ndarray, seconds: float) -> bytes:
    """A WAV file of the sound around a moment of samples (N,).

    Raises:
        InputError: a moment outside the recording.
    """
    first = max(0, round((seconds - AROUND) * RATE))
    piece = samples[first : round((seconds + AROUND) * RATE)]
    if not len(piece):
        raise InputError(f"{seconds:g} s lies outside the recording")
    content = io.BytesIO()
    soundfile.write(content, np.clip(piece, -1, 1), RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def moment_url(samples: np.ndarray, seconds: float) -> str:
    """The same as a data URL, which a page plays without asking for it."""
    return f"data:audio/wav;base64,{base64.b64encode(moment_clip(samples, seconds)).decode()}"
