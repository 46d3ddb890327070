"""Generate recordings with protocols in the layout of ASVspoof 2019, so that a fresh clone runs.

    python src/run.py deepfake.sample

Speech-like signals (sample/voice.py) as natural speech, and copy-synthesis of them (sample/vocoders.py) as spoofs; the
eval split has attacks that the others lack. Writes data/deepfake/sample: flac/, train.txt, dev.txt and eval.txt.
"""

import itertools
import logging
import shutil
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated

import numpy as np
from pydantic import Field

from reprise.core.files import write_text
from reprise.core.params import Hardware, Params, load_params, load_value
from reprise.core.seed import derive_seed
from reprise.deepfake.data.audio import write_flac
from reprise.deepfake.data.protocols import SPLITS
from reprise.deepfake.paths import SAMPLE
from reprise.deepfake.sample.voice import draw_speaker, draw_utterance

logger = logging.getLogger("reprise")

ATTACKS = {
    "V01": "griffin_lim",
    "V02": "linear_prediction",
    "V03": "random_phase",
    "V04": "band_limited",
    "V05": "cepstral",
    "V06": "smoothed",
}
KNOWN = ("V01", "V02", "V03")  # those of train and dev
Count = Annotated[int, Field(ge=2)]


class SampleParams(Params):
    """`deepfake.sample`: how many utterances; each has one copy-synthesis, in eval two."""

    train_utterances: Count
    dev_utterances: Count
    eval_utterances: Count
    utterances_per_speaker: Annotated[int, Field(ge=1)]
    seconds: tuple[Annotated[float, Field(ge=0.5)], Annotated[float, Field(ge=0.5)]]


def main() -> None:
    params, seed = load_params("deepfake.sample", SampleParams), load_value("seed")
    hardware = load_params("hardware", Hardware)
    shutil.rmtree(SAMPLE, ignore_errors=True)
    (SAMPLE / "flac").mkdir(parents=True)
    counts = {"train": params.train_utterances, "dev": params.dev_utterances, "eval": params.eval_utterances}
    with ProcessPoolExecutor(hardware.threads) as pool:
        for number, split in enumerate(SPLITS):
            rows = range(counts[split])
            same = [itertools.repeat(each) for each in (split, number, params, seed)]
            lines = [line for part in pool.map(write_utterance, rows, *same, chunksize=4) for line in part]
            write_text(SAMPLE / f"{split}.txt", "\n".join(sorted(lines, key=lambda line: line.split()[1])) + "\n")
    logger.info("%s utterances, each with its copy-synthesis", sum(counts.values()))


def write_utterance(row: int, split: str, number: int, params: SampleParams, seed: int) -> list[str]:
    """Write an utterance and its copy-synthesis; returns their protocol lines."""
    import torch

    from reprise.deepfake.sample.vocoders import synthesise

    torch.set_num_threads(1)  # the processes fill the cores
    group = row // params.utterances_per_speaker
    name = f"S{number}{group:03d}"
    speaker = draw_speaker(np.random.default_rng(derive_seed(seed, "deepfake-sample", "speaker", name)))
    generator = np.random.default_rng(derive_seed(seed, "deepfake-sample", split, row))
    samples = draw_utterance(speaker, float(generator.uniform(*params.seconds)), generator)
    attacks = list(ATTACKS) if split == "eval" else list(KNOWN)
    chosen = [attacks[(row + shift) % len(attacks)] for shift in ((0, 3) if split == "eval" else (0,))]
    lines = [write_recording(name, "-", "bonafide", samples, (seed, split, row))]
    for attack in chosen:
        spoof = synthesise(ATTACKS[attack], samples, generator)
        lines.append(write_recording(name, attack, "spoof", spoof, (seed, split, row)))
    return lines


def write_recording(speaker: str, attack: str, key: str, samples: np.ndarray, where: tuple[int, str, int]) -> str:
    """Write a recording under a name that says nothing; returns its protocol line."""
    utterance = f"R{derive_seed(*where, attack):08x}"
    write_flac(SAMPLE / "flac" / f"{utterance}.flac", samples)
    return f"{speaker} {utterance} - {attack} {key}"
