"""Check the protocols and recordings, and put them into one form.

    python src/run.py deepfake.prepare

Reads the protocols `deepfake.protocols` and the folder `deepfake.data`. Writes data/deepfake/prepared/<split>:
audio.npy, the samples of all utterances one after the other (16-bit, 16 kHz, mono), and manifest.parquet with a row
each: utterance, path, speaker, attack, key, split, seconds, rate; start and samples in audio.npy; and the natural
utterance that a spoof was made of, where one has its length and its course of loudness (`twin`). Memory does not grow
with the number of recordings. Partial spoofs of
the eval split go to data/deepfake/partial in the same form, with the spoofed stretch. What was read is counted in
metrics/deepfake/data.json.
"""

import logging
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from reprise.core.errors import InputError
from reprise.core.files import new_npy, write_json, write_parquet
from reprise.core.params import Params, load_params, load_value
from reprise.core.seed import derive_seed
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE, AudioFolder, Recording, read_audio
from reprise.deepfake.data.dataset import Corpus, read_corpus, to_integers
from reprise.deepfake.data.partial import make_partial_spoofs
from reprise.deepfake.data.protocols import KEYS, SPLITS, UNKNOWN, Trial, read_protocol
from reprise.deepfake.data.twins import find_twins, loudness_course

logger = logging.getLogger("reprise")

PREPARED = Path("data/deepfake/prepared")
PARTIAL = Path("data/deepfake/partial")
METRICS = Path("metrics/deepfake")
ERRORS_SHOWN = 5
PIECE = 10_000_000  # samples that are copied at once


class PrepareParams(Params):
    """`deepfake.prepare`: what is accepted, and how partial spoofs are made."""

    min_seconds: Annotated[float, Field(gt=0)]
    max_seconds: Annotated[float, Field(gt=0)]
    partial_count: Annotated[int, Field(ge=0)]
    partial_seconds: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class Protocols(Params):
    """`deepfake.protocols`: a file for each split; merged layouts may name one file three times."""

    train: str
    dev: str
    eval: str


def main() -> None:
    """Run the stage."""
    params, seed = load_params("deepfake.prepare", PrepareParams), load_value("seed")
    protocols = load_params("deepfake.protocols", Protocols)
    folder = AudioFolder(Path(load_value("deepfake.data")))
    with timed(METRICS / "timing/prepare.json") as figures:
        paths = {split: Path(getattr(protocols, split)) for split in SPLITS}
        trials = {split: read_protocol(path, split) for split, path in paths.items()}
        refuse_overlap(paths, trials)
        shared = shared_speakers(paths, trials)
        statistics: dict[str, Any] = {}
        for split in SPLITS:
            corpus, counted = prepare_split(paths[split], split, trials[split], folder, params)
            statistics[split] = counted
        partial = make_partial_spoofs(
            corpus, params.partial_count, params.partial_seconds, derive_seed(seed, "deepfake-partial")
        )
        write_corpus(PARTIAL, partial.table, partial.audio)
        statistics["partial_spoofs"] = len(partial)
        statistics["synthetic_speakers_in_several_splits"] = shared
        figures["utterances"] = sum(len(part) for part in trials.values())
    write_json(METRICS / "data.json", statistics)
    report(statistics)


def refuse_overlap(paths: "dict[str, Path]", trials: "dict[str, list[Trial]]") -> None:
    """Refuse an utterance in two splits.

    Raises:
        InputError: names both lines.
    """
    seen: dict[str, tuple[str, int]] = {}
    for split in SPLITS:
        for trial in trials[split]:
            if trial.utterance in seen:
                other, line = seen[trial.utterance]
                raise InputError(
                    f"{paths[split]}:{trial.line}: utterance {trial.utterance!r} is in {other} too "
                    f"({paths[other]}:{line})"
                )
            seen[trial.utterance] = split, trial.line


def shared_speakers(paths: "dict[str, Path]", trials: "dict[str, list[Trial]]") -> "list[str]":
    """Speakers of spoofs alone that are in several splits, such as a synthesiser's voice: they are counted.

    Raises:
        InputError: a speaker with natural speech is in two splits, so that a detector could know the voice.
    """
    first: dict[str, str] = {}
    natural = {trial.speaker for part in trials.values() for trial in part if not trial.spoof}
    shared = set()
    for split in SPLITS:
        for trial in trials[split]:
            home = first.setdefault(trial.speaker, split)
            if home == split or trial.speaker == UNKNOWN:
                continue
            if trial.speaker in natural:
                raise InputError(f"{paths[split]}:{trial.line}: speaker {trial.speaker!r} is in {home} too")
            shared.add(trial.speaker)
    return sorted(shared)


def prepare_split(
    path: Path, split: str, trials: "list[Trial]", folder: AudioFolder, params: PrepareParams
) -> "tuple[Corpus, dict[str, Any]]":
    """Read a split's recordings and write them.

    Returns:
        The split, and what was counted.

    Raises:
        InputError: recordings that are missing or cannot be used; the line names the first few of them.
    """
    errors: list[str] = []
    rows: list[dict[str, Any]] = []
    courses: list[np.ndarray] = []
    PREPARED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=PREPARED) as raw:  # the samples of all: how many there are is known at the end
        for trial in trials:
            try:
                file = folder.find(trial.utterance, f"{path}:{trial.line}")
                recording = read_audio(file, params.min_seconds, params.max_seconds)
            except InputError as error:
                errors.append(str(error))
                continue
            rows.append(describe_recording(trial, split, file, recording))
            courses.append(loudness_course(recording.samples))
            to_integers(recording.samples).tofile(raw)
        if errors:
            more = f" (and {len(errors) - ERRORS_SHOWN} more recordings)" if len(errors) > ERRORS_SHOWN else ""
            raise InputError("; ".join(errors[:ERRORS_SHOWN]) + more)
        table = pd.DataFrame(rows)
        lengths = table["samples"].to_numpy()
        table["start"] = np.cumsum(lengths) - lengths
        table["twin"] = find_twins(courses, lengths, table["spoof"].to_numpy())
        raw.flush()
        write_corpus(PREPARED / split, table, np.memmap(raw, np.int16, "r"))
    return read_corpus(PREPARED / split), describe(table)


def describe_recording(trial: Trial, split: str, file: Path, recording: Recording) -> dict[str, Any]:
    """One row of the manifest, but for its place and its twin."""
    return {
        "utterance": trial.utterance,
        "path": str(file),
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


def write_corpus(folder: Path, table: pd.DataFrame, audio: np.ndarray) -> None:
    """Write a table and samples (total,) int16, piece by piece."""
    with new_npy(folder / "audio.npy", audio.shape, "int16") as array:
        for start in range(0, len(audio), PIECE):
            array[start : start + PIECE] = audio[start : start + PIECE]
    write_parquet(folder / "manifest.parquet", table)


def describe(table: pd.DataFrame) -> dict[str, Any]:
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


def report(statistics: "dict[str, Any]") -> None:
    """Say what was found."""
    for split in SPLITS:
        part = statistics[split]
        logger.info(
            "%s: %d natural and %d synthesised utterances of %d attacks, %.2f h; %d spoofs with a natural twin",
            *(split, part["bonafide"], part["spoof"], len(part["attacks"]), part["hours"]),
            part["spoofs_with_a_natural_twin"],
        )
        if part["clipped"]:
            logger.warning("%s: %d recordings are clipped", split, part["clipped"])
    if not statistics["partial_spoofs"]:
        logger.warning("no spoof of the eval split has a natural twin: localisation will not be measured")
