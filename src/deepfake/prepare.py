"""Check the protocols and recordings, and put them into one form.

    python -m src.deepfake.prepare

Reads the protocols `deepfake.protocols` and the folder `deepfake.data`. Writes data/deepfake/prepared/<split>:
audio.npy, the samples of all utterances one after the other (16-bit, 16 kHz, mono), and manifest.parquet with a row
each: utterance, path, speaker, attack, key, split, seconds, rate; start and samples in audio.npy; and the natural
utterance that a spoof was made of, where one has its length and its course of loudness (`twin`). Partial spoofs of
the eval split go to data/deepfake/partial in the same form, with the spoofed stretch. What was read is counted in
metrics/deepfake/data.json.
"""

import logging
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from src.common.errors import InputError
from src.common.files import new_npy, write_json, write_parquet
from src.common.params import Section, load_section, load_value
from src.common.seed import derive_seed
from src.common.stage import run_stage, timed
from src.deepfake.audio import RATE, AudioFolder, Recording, read_audio
from src.deepfake.dataset import FULL_SCALE, Corpus
from src.deepfake.partial import make_partial_spoofs
from src.deepfake.protocols import KEYS, SPLITS, UNKNOWN, Trial, read_protocol
from src.deepfake.twins import find_twins

logger = logging.getLogger("reprise")

PREPARED = Path("data/deepfake/prepared")
PARTIAL = Path("data/deepfake/partial")
METRICS = Path("metrics/deepfake")
ERRORS_SHOWN = 5


class PrepareParams(Section):
    """`deepfake.prepare`: what is accepted, and how partial spoofs are made."""

    min_seconds: Annotated[float, Field(gt=0)]
    max_seconds: Annotated[float, Field(gt=0)]
    partial_count: Annotated[int, Field(ge=0)]
    partial_seconds: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class Protocols(Section):
    """`deepfake.protocols`: a file for each split; merged layouts may name one file three times."""

    train: str
    dev: str
    eval: str


def main() -> None:
    """Run the stage."""
    params, seed = load_section("deepfake.prepare", PrepareParams), load_value("seed")
    protocols = load_section("deepfake.protocols", Protocols)
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
        write_corpus(PARTIAL, partial.table, [partial.waveform(row) for row in range(len(partial))])
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
    recordings: list[Recording] = []
    files, errors = [], []
    for trial in trials:
        try:
            files.append(folder.find(trial.utterance, f"{path}:{trial.line}"))
            recordings.append(read_audio(files[-1], params.min_seconds, params.max_seconds))
        except InputError as error:
            errors.append(str(error))
    if errors:
        more = f" (and {len(errors) - ERRORS_SHOWN} more recordings)" if len(errors) > ERRORS_SHOWN else ""
        raise InputError("; ".join(errors[:ERRORS_SHOWN]) + more)
    samples = [recording.samples for recording in recordings]
    spoof = np.array([trial.spoof for trial in trials])
    table = pd.DataFrame(
        {
            "utterance": [trial.utterance for trial in trials],
            "path": [str(file) for file in files],
            "speaker": [trial.speaker for trial in trials],
            "attack": [trial.attack for trial in trials],
            "key": [KEYS[trial.spoof] for trial in trials],
            "split": split,
            "seconds": [len(part) / RATE for part in samples],
            "rate": [recording.rate for recording in recordings],
            "spoof": spoof,
            "twin": find_twins(samples, spoof),
        }
    )
    corpus = write_corpus(PREPARED / split, table, samples)
    return corpus, describe(corpus.table, recordings)


def write_corpus(folder: Path, table: pd.DataFrame, waveforms: "list[np.ndarray]") -> Corpus:
    """Write samples and table; `start` and `samples` are added to it."""
    lengths = np.array([len(samples) for samples in waveforms], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else lengths
    table = table.assign(start=starts, samples=lengths)
    with new_npy(folder / "audio.npy", (int(lengths.sum()),), "int16") as array:
        for start, samples in zip(starts, waveforms, strict=True):
            array[start : start + len(samples)] = np.clip(np.round(samples * FULL_SCALE), -32768, 32767)
        copy = np.array(array)
    write_parquet(folder / "manifest.parquet", table)
    return Corpus(table, copy)


def describe(table: pd.DataFrame, recordings: "list[Recording]") -> dict[str, Any]:
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
        "resampled": sum(recording.rate != RATE for recording in recordings),
        "mixed_down": sum(recording.channels > 1 for recording in recordings),
        "clipped": sum(recording.clipped for recording in recordings),
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


if __name__ == "__main__":
    run_stage(main)
