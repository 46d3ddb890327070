"""From the recordings that protocols name to one array of samples and one table a split."""

import dataclasses
import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from reprise.core.errors import InputError
from reprise.core.files import hash_bytes
from reprise.core.text import for_terminal
from reprise.deepfake.data.audio import RATE, AudioFolder, Recording, read_audio
from reprise.deepfake.data.corpus import Corpus, read_corpus, starts_of, to_integers, write_corpus
from reprise.deepfake.data.protocols import KEYS, UNKNOWN, Trial
from reprise.deepfake.data.twins import find_twins, loudness_course

ERRORS_SHOWN = 5

logger = logging.getLogger("reprise")


@dataclasses.dataclass(frozen=True)
class Limits:
    """Recordings that are shorter or longer are refused.

    Attributes:
        min_seconds: shortest.
        max_seconds: longest.
    """

    min_seconds: float
    max_seconds: float


class Doubles:
    """Finds recordings that come twice: a detector may not be judged by what it learned from.

    Attributes:
        repeated: by split, how many recordings have the samples and the label of an earlier one.
    """

    def __init__(self) -> None:
        self.repeated: Counter[str] = Counter()
        self._files: dict[Path, Trial] = {}
        self._samples: dict[str, tuple[str, Trial]] = {}

    def add_file(self, trial: Trial, file: Path) -> None:
        """Note which file a trial is.

        Raises:
            InputError: another trial is the same file.
        """
        first = self._files.setdefault(file.resolve(), trial)
        if first is not trial:
            raise InputError(f"{trial.where}: {file} is the recording of {first.where} too ({first.utterance!r})")

    def add_samples(self, split: str, trial: Trial, samples: np.ndarray) -> None:
        """Note what a trial sounds like.

        Args:
            split: of the trial.
            trial: the protocol's line.
            samples: (N,) int16.

        Raises:
            InputError: the same samples have the other label, or are natural speech of another split. A synthesis that
                two splits share is counted: a voice that reads one sentence twice gives the same samples.
        """
        home, first = self._samples.setdefault(hash_bytes(samples.tobytes()), (split, trial))
        if first is trial:
            return
        if first.spoof != trial.spoof or (home != split and not trial.spoof):
            raise InputError(
                f"{trial.where}: {trial.utterance!r} holds the samples of {first.utterance!r}, "
                f"{KEYS[first.spoof]} in {home} ({first.where})"
            )
        self.repeated[split] += 1
        if home != split:
            logger.warning("%s: %r holds the samples of %r in %s", trial.where, trial.utterance, first.utterance, home)


def prepare_split(
    split: str, trials: Sequence[Trial], folder: AudioFolder, limits: Limits, doubles: Doubles, target: Path
) -> Corpus:
    """Read a split's recordings and write them as a corpus. Memory does not grow with their number.

    Args:
        split: its name, for the table.
        trials: the protocol's lines.
        folder: of recordings.
        limits: of their length.
        doubles: knows the recordings of other splits.
        target: an existing folder to write to.

    Raises:
        InputError: recordings that are missing or cannot be used; the line names the first few of them.
    """
    errors: list[str] = []
    rows: list[dict[str, Any]] = []
    courses: list[np.ndarray] = []
    with tempfile.TemporaryFile(dir=target) as raw:  # the samples of all: how many there are is known at the end
        for trial in tqdm(trials, split, disable=None):
            try:
                file = folder.find(trial.utterance, trial.where)
                doubles.add_file(trial, file)
                recording = read_audio(file, limits.min_seconds, limits.max_seconds)
                samples = to_integers(recording.samples)
                doubles.add_samples(split, trial, samples)
            except InputError as error:
                errors.append(str(error))
                continue
            rows.append(table_row(trial, split, file, recording))
            courses.append(loudness_course(recording.samples))
            samples.tofile(raw)
        if errors:
            more = f" (and {len(errors) - ERRORS_SHOWN} more recordings)" if len(errors) > ERRORS_SHOWN else ""
            raise InputError("; ".join(errors[:ERRORS_SHOWN]) + more)
        table = pd.DataFrame(rows)
        lengths = table["samples"].to_numpy()
        table["start"] = starts_of(lengths)
        table["twin"] = find_twins(courses, lengths, table["spoof"].to_numpy())
        raw.flush()
        write_corpus(target, table, np.memmap(raw, np.int16, "r"))
    return read_corpus(target)


def table_row(trial: Trial, split: str, file: Path, recording: Recording) -> dict[str, Any]:
    """One row of the manifest, but for its place and its twin."""
    return {
        "utterance": trial.utterance,
        "path": for_terminal(file),  # to be read by people; a folder's name need not be Unicode
        "speaker": trial.speaker,
        "attack": trial.attack,
        "key": KEYS[trial.spoof],
        "split": split,
        "seconds": len(recording.samples) / RATE,
        "rate": recording.rate,
        "channels": recording.channels,
        "clipped": recording.clipped,
        "spoof": trial.spoof,
        "samples": len(recording.samples),
    }


def count_utterances(table: pd.DataFrame) -> dict[str, Any]:
    """Count a split's utterances, and what was unusual about their files."""
    attacks = table.loc[table["spoof"], "attack"].value_counts().sort_index()
    return {
        "utterances": len(table),
        "bonafide": int((~table["spoof"]).sum()),
        "spoof": int(table["spoof"].sum()),
        "attacks": {str(attack): int(count) for attack, count in attacks.items()},
        "speakers": int(table.loc[table["speaker"] != UNKNOWN, "speaker"].nunique()),
        "hours": round(float(table["seconds"].sum()) / 3600, 4),
        "spoofs_with_a_natural_twin": int((table["twin"] >= 0).sum()),
        "resampled": int((table["rate"] != RATE).sum()),
        "mixed_down": int((table["channels"] > 1).sum()),
        "clipped": int(table["clipped"].sum()),
    }
