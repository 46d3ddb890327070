"""Check the protocols and recordings, and put them into one form.

    python src/run.py deepfake.prepare

Reads the protocols `deepfake.protocols`, the folder `deepfake.data` and, where it lies there, verdicts.txt. Writes
data/deepfake/prepared/<split>: audio.npy, the samples of all utterances one after the other (16-bit, 16 kHz, mono), and
manifest.parquet with a row each: utterance, path, speaker, attack, key, split, seconds, rate; start and samples in
audio.npy; and the natural utterance that a spoof was made of, where one has its length and its course of loudness
(`twin`). Partial spoofs of the eval split, spliced or labelled, go to data/deepfake/partial in the same form, with the
spoofed stretches. What was read is counted in metrics/deepfake/data.json. All of it is written at the end, or nothing.
"""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from reprise.core.files import write_json
from reprise.core.params import Params, load_params, load_path, load_seed
from reprise.core.seed import derive_seed
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE, AudioFolder
from reprise.deepfake.data.corpus import Corpus, write_corpus
from reprise.deepfake.data.folders import whole_folder
from reprise.deepfake.data.partial import (
    LEAST_STRETCH,
    join_partial_spoofs,
    make_partial_spoofs,
    take_labelled_spoofs,
)
from reprise.deepfake.data.preparation import Doubles, Limits, count_utterances, prepare_split
from reprise.deepfake.data.protocols import SPLITS, Trial, shared_speakers
from reprise.deepfake.data.segments import find_segment_labels, spoofed_spans
from reprise.deepfake.data.sources import read_trials
from reprise.deepfake.data.verdicts import FILE, apply_verdicts, read_verdicts
from reprise.deepfake.paths import METRICS, PARTIAL, PREPARED, TIMING

logger = logging.getLogger("reprise")


Stretch = Annotated[float, Field(ge=LEAST_STRETCH / RATE)]  # seconds


class PrepareParams(Params):
    """`deepfake.prepare`: what is accepted, and how partial spoofs are made."""

    min_seconds: Annotated[float, Field(gt=0)]
    max_seconds: Annotated[float, Field(gt=0)]
    partial_count: Annotated[int, Field(ge=0)]
    shares: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    partial_seconds: tuple[Stretch, Stretch]

    @model_validator(mode="after")
    def _check(self) -> "PrepareParams":
        for shortest, longest in ((self.min_seconds, self.max_seconds), self.partial_seconds):
            if shortest > longest:
                raise ValueError(f"{shortest:g} ... {longest:g} s; expected the shortest first")
        return self


class Protocols(Params):
    """`deepfake.protocols`: a source of trials for each split; one source may be named three times."""

    train: str
    dev: str
    eval: str


def main() -> None:
    params, seed = load_params("deepfake.prepare", PrepareParams), load_seed()
    protocols = load_params("deepfake.protocols", Protocols)
    folder = AudioFolder(load_path("deepfake.data"))
    with timed(TIMING / "prepare.json") as figures, contextlib.ExitStack() as written:
        paths = {split: Path(source) for split, source in protocols.model_dump().items()}
        given = read_trials(paths, dict(zip(SPLITS, params.shares, strict=True)), seed)
        trials, heard = apply_verdicts(given, read_verdicts(folder.folder / FILE), folder)
        counts: dict[str, Any] = {}
        shared = shared_speakers(trials)
        limits, doubles = Limits(params.min_seconds, params.max_seconds), Doubles()
        for split in SPLITS:
            target = written.enter_context(whole_folder(PREPARED / split))
            corpus = prepare_split(split, trials[split], folder, limits, doubles, target)
            unusual = {"repeated": doubles.repeated[split], "verdicts": heard[split]}
            counts[split] = count_utterances(corpus.table) | unusual
        partial_seed = derive_seed(seed, "deepfake-partial")
        spliced = make_partial_spoofs(corpus, params.partial_count, params.partial_seconds, partial_seed)
        labelled = labelled_spoofs(folder.folder, trials["eval"], corpus, params.partial_count, partial_seed)
        partial = join_partial_spoofs(spliced, labelled)
        write_corpus(written.enter_context(whole_folder(PARTIAL)), partial.table, partial.audio)
        counts["partial_spoofs"] = len(partial)
        counts["partial_spoofs_labelled"] = len(labelled)
        counts["synthetic_speakers_in_several_splits"] = shared
        figures["utterances"] = sum(len(part) for part in trials.values())
    write_json(METRICS / "data.json", counts)
    log_counts(counts)


def labelled_spoofs(folder: Path, trials: Sequence[Trial], corpus: Corpus, count: int, seed: int) -> Corpus:
    """Take spoofs of the eval split whose stretches are labelled, where the folder of recordings has segment labels."""
    found = find_segment_labels(folder, "eval")
    lengths = dict(zip(corpus.table["utterance"], corpus.samples.tolist(), strict=True))
    spans = spoofed_spans(*found, trials, lengths) if found else {}
    return take_labelled_spoofs(corpus, spans, count, seed)


def log_counts(counts: dict[str, Any]) -> None:
    for split in SPLITS:
        part = counts[split]
        logger.info(
            "%s: %d natural and %d synthesised utterances of %d attacks, %.2f h; %d spoofs with a natural twin",
            *(split, part["bonafide"], part["spoof"], len(part["attacks"]), part["hours"]),
            part["spoofs_with_a_natural_twin"],
        )
        if part["clipped"]:
            logger.warning("%s: %d recordings are clipped", split, part["clipped"])
        if heard := part["verdicts"]["changed"] + part["verdicts"]["added"]:
            logger.info("%s: %d keys are those that a person heard", split, heard)
        if part["repeated"]:
            logger.warning("%s: %d recordings repeat the samples of another one", split, part["repeated"])
    if not counts["partial_spoofs"]:
        logger.warning(
            "no spoof of the eval split has a natural twin or labelled stretches: no localisation is measured"
        )
