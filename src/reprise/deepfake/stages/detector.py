"""Train the detector.

    python src/run.py deepfake.detector

Reads models/deepfake/recipe.yaml and the train and dev parts of data/deepfake/prepared; writes
models/deepfake/detector.safetensors and metrics/deepfake/detector (DVCLive: train and dev loss, dev EER and learning
rate each epoch). `dev_error`, the dev EER plus a hundredth of the dev loss, ranks the epochs; the mean of the
weights of the `average_best` best ones is published. With `weights` the detector starts from a file's weights;
`epochs: 0` then publishes them as they are.
"""

import logging
from typing import Any

import torch

from reprise.core.models import hash_tensors
from reprise.core.params import Hardware, LogParams, load_params, load_seed
from reprise.core.processes import goes_on_alone
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.corpus import read_corpus
from reprise.deepfake.detector.copies import make_copies
from reprise.deepfake.detector.learner import Learner, make_detector, start_file
from reprise.deepfake.detector.model_file import save_detector
from reprise.deepfake.detector.scoring import BLOCK
from reprise.deepfake.paths import DETECTOR, METRICS, PREPARED, TIMING
from reprise.deepfake.recipe import TASK, Recipe
from reprise.training.fit import Run, fit
from reprise.training.sampler import epoch_loader

logger = logging.getLogger("reprise")


def main() -> None:
    recipe, hardware = read_recipe(TASK, Recipe), load_params("hardware", Hardware)
    seed = derive_seed(load_seed(), "deepfake-detector")
    use_deterministic_kernels(hardware.training_threads)
    weights = start_file(recipe)
    train, dev = read_corpus(PREPARED / "train"), read_corpus(PREPARED / "dev")
    with timed(TIMING / "detector.json") as figures:
        seed_everything(derive_seed(seed, "weights"))
        detector = make_detector(recipe, train, weights)
        copies = []
        if recipe.epochs and (detector.framed or recipe.channel_copies or recipe.resyntheses or recipe.speeds):
            copies = make_copies(train, detector.eval(), recipe, derive_seed(seed, "copies"), "cpu")
            made = sum(len(forms) for each in copies for forms in each.forms + each.resyntheses)
            logger.info("%d copies of training utterances are ready", made)
        learner = Learner(detector, recipe, train, dev, seed, copies)
        run = Run(
            name="deepfake-detector",
            params=recipe,
            hardware=hardware,
            log=load_params("log", LogParams),
            seed=seed,
            # The weights that the training starts from are an input: a pretrained encoder may be replaced in its place.
            inputs=(PREPARED / "train", PREPARED / "dev", hash_tensors(learner.detector.state_dict())),
            live_folder=METRICS / "detector",
            monitor="dev_error",
            model=learner.detector,
            labels={"natural": int((~train.spoof).sum()), "spoof": int(train.spoof.sum())},
            configuration=f"{recipe.front_end}-{recipe.embedding}",
        )
        rows: Any = learner.crops.rows()  # a tensor, which serves as a data set
        dev_rows: Any = torch.arange(len(dev))
        loaders = (
            epoch_loader(rows, recipe.batch_size, seed, batches=learner.crops.batches()),
            epoch_loader(dev_rows, BLOCK, seed, shuffle=False),
        )
        result = fit(learner, *loaders, run)
        if not goes_on_alone():
            return
        save_detector(DETECTOR, learner.detector.cpu(), recipe, result.best_epoch)
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    logger.info(
        "best epoch %d, dev EER %.4f, dev loss %.4f",
        *(result.best_epoch, result.best["dev_eer"], result.best["valid_loss"]),
    )
