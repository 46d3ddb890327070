"""Train one fold's network.

    python src/run.py documents.train 0

Reads models/documents/recipe.yaml and data/documents/prepared; trains on all pages outside the fold, chooses the epoch
on those in it, and writes models/documents/fold-0.safetensors, data/documents/out_of_fold/fold-0 (ids and targets
of the pages in it, logits of them and of damaged copies) and metrics/documents/fold-0 (DVCLive).
"""

import logging

import numpy as np

from reprise.core.errors import InputError
from reprise.core.files import hash_file, read_json, read_parquet
from reprise.core.params import Hardware, LogParams, load_params, load_seed
from reprise.core.processes import goes_on_alone
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.documents.data.tables import Classes
from reprise.documents.learning.chance import refuse_chance
from reprise.documents.learning.dataset import PageDataset, make_loaders, open_pages
from reprise.documents.learning.learner import make_learner
from reprise.documents.network.corruptions import ALL, corrupt
from reprise.documents.network.ensemble import FoldModel, for_inference, save_fold
from reprise.documents.network.model import weights_file
from reprise.documents.network.out_of_fold import write_fold
from reprise.documents.network.views import VIEWS
from reprise.documents.paths import CLASSES, IMAGES, PAGES, PREPARED, fold_path, fold_timing, live_folder
from reprise.documents.recipe import TASK, Recipe
from reprise.training.fit import Run, fit

logger = logging.getLogger("reprise")


def main(fold: str) -> None:
    recipe, hardware = read_recipe(TASK, Recipe), load_params("hardware", Hardware)
    table = read_parquet(PREPARED / PAGES)
    number = fold_number(fold, table["fold"].to_numpy())
    seed = derive_seed(load_seed(), "documents-train", number)
    use_deterministic_kernels(hardware.training_threads)
    classes = Classes(**{key: tuple(value) for key, value in read_json(PREPARED / CLASSES).items()})
    in_fold, targets = (table["fold"] == number).to_numpy(), table["target"].to_numpy()
    pages = open_pages(PREPARED / IMAGES, hardware.image_memory_mib)
    train, valid = (PageDataset(pages, targets, np.flatnonzero(chosen)) for chosen in (~in_fold, in_fold))
    start = weights_file(recipe)  # an input: replaced weights must never resume a killed run
    with timed(fold_timing(number)) as figures:
        seed_everything(derive_seed(seed, "weights"))
        learner = make_learner(recipe, train, len(classes), seed)
        run = Run(
            name=f"documents-train-{number}",
            params=recipe,
            hardware=hardware,
            log=load_params("log", LogParams),
            seed=seed,
            inputs=[PREPARED, f"fold {number}", *([] if start is None else [start])],
            live_folder=live_folder(number),
            monitor=recipe.monitor,
            mode="max" if recipe.monitor == "macro_f1" else "min",
            model=learner.classifier.network,
            labels=dict(
                zip(classes.names, np.bincount(targets[~in_fold], minlength=len(classes)).tolist(), strict=True)
            ),
            configuration=f"{recipe.model.partition('_patch')[0]}-{recipe.image_size}-fold-{number}",
        )
        result = fit(
            learner, *make_loaders(train, valid, recipe.batch_size, recipe.balanced_sampling, seed, hardware), run
        )
        if not goes_on_alone():
            return
        network = learner.classifier.network.cpu()
        model = FoldModel(for_inference(network, recipe), recipe, classes, hardware.eval_batch_size)
        own = np.array(pages[valid.rows])
        logits = model.logits(own)[0, :, : len(classes)].numpy()  # (N, C)
        copies = corrupt(own, ALL, derive_seed(seed, "damaged"))
        damaged = model.logits(copies, VIEWS["turns_and_flips"]).numpy()  # (8, N, K)
        if recipe.epochs:
            refuse_chance(number, logits.argmax(1), targets[valid.rows])
        path = fold_path(number)
        save_fold(path, network, recipe, classes, {"fold": number, "best_epoch": result.best_epoch})
        write_fold(number, table["id"].to_numpy()[valid.rows], logits, damaged, targets[valid.rows], hash_file(path))
        figures["training_pages"] = len(train)
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    logger.info("best epoch %d, %s %.4f", result.best_epoch, recipe.monitor, result.best[recipe.monitor])


def fold_number(text: str, folds: np.ndarray) -> int:
    """Check the command line's fold.

    Args:
        text: what was given.
        folds: (N,) of the prepared pages.

    Raises:
        InputError: it is not one of them.
    """
    there = np.unique(folds).tolist()
    if not text.isdecimal() or int(text) not in there:
        raise InputError(f"no fold {text}: the pages were split into the folds {', '.join(map(str, there))}")
    return int(text)
