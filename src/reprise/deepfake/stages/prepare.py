"""Check the protocols and recordings, and put them into one form.

    python src/run.py deepfake.prepare

Reads the protocols `deepfake.protocols` and the folder `deepfake.data`. Writes data/deepfake/prepared/<split>:
audio.npy, the samples of all utterances one after the other (16-bit, 16 kHz, mono), and manifest.parquet with a row
each: utterance, path, speaker, attack, key, split, seconds, rate; start and samples in audio.npy; and the natural
utterance that a spoof was made of, where one has its length and its course of loudness (`twin`). Partial spoofs of the
eval split go to data/deepfake/partial in the same form, with the spoofed stretch. What was read is counted in
metrics/deepfake/data.json. All of it is written at the end, or nothing.
"""

import contextlib
import logging
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from reprise.core.files import write_json
from reprise.core.params import Params, load_params, load_value
from reprise.core.seed import derive_seed
from reprise.core.stage import timed
from reprise.deepfake.data.audio import AudioFolder
from reprise.deepfake.data.corpus import write_corpus
from reprise.deepfake.data.folders import whole_folder
from reprise.deepfake.data.partial import make_partial_spoofs
from reprise.deepfake.data.preparation import Limits, count_utterances, prepare_split
from reprise.deepfake.data.protocols import SPLITS, read_protocols, shared_speakers
from reprise.deepfake.paths import METRICS, PARTIAL, PREPARED, TIMING

logger = logging.getLogger("reprise")


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
    params, seed = load_params("deepfake.prepare", PrepareParams), load_value("seed")
    protocols = load_params("deepfake.protocols", Protocols)
    folder = AudioFolder(Path(load_value("deepfake.data")))
    with timed(TIMING / "prepare.json") as figures, contextlib.ExitStack() as written:
        trials = read_protocols({split: Path(getattr(protocols, split)) for split in SPLITS})
        counts: dict[str, Any] = {}
        shared = shared_speakers(trials)
        for split in SPLITS:
            target = written.enter_context(whole_folder(PREPARED / split))
            limits = Limits(params.min_seconds, params.max_seconds)
            corpus = prepare_split(split, trials[split], folder, limits, target)
            counts[split] = count_utterances(corpus.table)
        partial_seed = derive_seed(seed, "deepfake-partial")
        partial = make_partial_spoofs(corpus, params.partial_count, params.partial_seconds, partial_seed)
        write_corpus(written.enter_context(whole_folder(PARTIAL)), partial.table, partial.audio)
        counts["partial_spoofs"] = len(partial)
        counts["synthetic_speakers_in_several_splits"] = shared
        figures["utterances"] = sum(len(part) for part in trials.values())
    write_json(METRICS / "data.json", counts)
    log_counts(counts)


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
    if not counts["partial_spoofs"]:
        logger.warning("no spoof of the eval split has a natural twin: localisation will not be measured")
