"""Train the detector.

    python src/run.py deepfake.detector

Reads models/deepfake/recipe.yaml and the train and dev parts of data/deepfake/prepared; writes
models/deepfake/detector.safetensors and metrics/deepfake/detector (DVCLive: train and dev loss, dev EER and learning
rate each epoch). The weights of the best epochs by dev EER are averaged; the average is published only where its dev
EER is no worse than the best epoch's. The default recipe takes a minute on one core for the generated recordings.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from reprise.core.files import hash_bytes, hash_file
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.dataset import Corpus, Rows, read_corpus
from reprise.deepfake.detector.features import scale_loudness
from reprise.deepfake.detector.learner import Learner
from reprise.deepfake.detector.model import CepstralFrontEnd, Detector
from reprise.deepfake.detector.model_file import DETECTOR, save_detector
from reprise.deepfake.recipe import TASK, Recipe
from reprise.training.fit import EpochBatchSampler, fit

logger = logging.getLogger("reprise")

PREPARED = Path("data/deepfake/prepared")
METRICS = Path("metrics/deepfake")
DEV_BATCH = 64  # utterances that are scored one after the other in a validation step


def main() -> None:
    """Run the stage."""
    recipe, hardware = read_recipe(TASK, Recipe), load_params("hardware", Hardware)
    seed = derive_seed(load_value("seed"), "deepfake-detector")
    use_deterministic_kernels(hardware.training_threads)
    train, dev = read_corpus(PREPARED / "train"), read_corpus(PREPARED / "dev")
    with timed(METRICS / "timing/detector.json") as figures:
        seed_everything(derive_seed(seed, "weights"))
        learner = Learner(make_detector(recipe, train), recipe, train, dev, seed)
        rows, dev_rows = Rows(learner.crops.rows()), Rows(np.arange(len(dev)))
        result = fit(
            learner,
            DataLoader(rows, sampler=EpochBatchSampler(len(rows), recipe.batch_size, seed), batch_size=None),
            DataLoader(
                dev_rows, sampler=EpochBatchSampler(len(dev_rows), DEV_BATCH, seed, shuffle=False), batch_size=None
            ),
            settings=recipe,
            hardware=hardware,
            seed=seed,
            name="deepfake-detector",
            fingerprint=input_fingerprint(recipe),
            live_folder=METRICS / "detector",
            monitor="selection",
            judge_average=lambda module: module.cpu().eval().selection(),  # type: ignore[operator]
        )
        save_detector(DETECTOR, learner.detector.cpu(), recipe, {"best_epoch": result.best_epoch})
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    best = result.history[result.best_epoch]
    logger.info(
        "best epoch %d, dev EER %.4f, dev loss %.4f", result.best_epoch + 1, best["dev_eer"], best["valid_loss"]
    )


def make_detector(recipe: Recipe, train: Corpus) -> Detector:
    """Build the detector, and measure its features on the training utterances."""
    detector = Detector(recipe)
    if isinstance(detector.front_end, CepstralFrontEnd):
        with torch.no_grad():
            pieces = (torch.from_numpy(train.waveform(row))[None] for row in range(len(train)))
            detector.front_end.standardise_on([detector.filterbank(scale_loudness(piece)) for piece in pieces])
    return detector


def input_fingerprint(recipe: Recipe) -> str:
    """Hash of the inputs that decide the result beside recipe, seed and code."""
    files = [PREPARED / split / name for split in ("train", "dev") for name in ("manifest.parquet", "audio.npy")]
    return hash_bytes(*(hash_file(path).encode() for path in files))
