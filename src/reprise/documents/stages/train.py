"""Train one fold's network.

    python src/run.py documents.train 0

Reads models/documents/recipe.yaml and data/documents/prepared; trains on all pages outside the fold, chooses the epoch
on those in it, and writes models/documents/fold-0.safetensors, data/documents/out_of_fold/fold-0 (logits and targets of
the pages in it, in their order) and metrics/documents/fold-0 (DVCLive). The default recipe takes 15 s on one core.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, hash_file, read_json, read_parquet, write_json, write_npy
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.documents.data.tables import Classes
from reprise.documents.network.dataset import PageDataset, open_pages
from reprise.documents.network.ensemble import FoldModel, fold_path, save_fold
from reprise.documents.network.learner import Learner, make_loaders
from reprise.documents.network.model import Classifier, build_network, recalibrate_batch_norm
from reprise.documents.recipe import TASK, Recipe
from reprise.training.fit import fit

logger = logging.getLogger("reprise")

PREPARED = Path("data/documents/prepared")
OUT_OF_FOLD = Path("data/documents/out_of_fold")
METRICS = Path("metrics/documents")
CHANCE_LEVEL = 0.05  # p-value above which agreement with the labels counts as luck


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description="Train one fold's network.")
    parser.add_argument("fold", type=int)
    fold = parser.parse_args().fold
    recipe, hardware = read_recipe(TASK, Recipe), load_params("hardware", Hardware)
    seed = derive_seed(load_value("seed"), "documents-train", fold)
    use_deterministic_kernels(hardware.training_threads)
    classes = Classes(**{key: tuple(value) for key, value in read_json(PREPARED / "classes.json").items()})
    table = read_parquet(PREPARED / "pages.parquet")
    in_fold, targets = (table["fold"] == fold).to_numpy(), table["target"].to_numpy()
    if not in_fold.any():
        raise InputError(f"{PREPARED}: no page is in fold {fold}; is it one of documents.folds?")
    pages = open_pages(PREPARED / "images.npy", hardware.image_memory_mib)
    train, valid = (PageDataset(pages, targets, np.flatnonzero(chosen)) for chosen in (~in_fold, in_fold))
    name = f"documents-train-{fold}"
    with timed(METRICS / f"timing/fold-{fold}.json") as figures:
        seed_everything(derive_seed(seed, "weights"))
        learner = make_learner(recipe, train, len(classes), seed)
        loaders = make_loaders(train, valid, recipe.batch_size, recipe.balanced_sampling, seed, hardware)
        result = fit(
            learner,
            *loaders,
            settings=recipe,
            hardware=hardware,
            seed=seed,
            name=name,
            fingerprint=input_fingerprint(fold, recipe),
            live_folder=METRICS / f"fold-{fold}",
            monitor=recipe.monitor,
            mode="max" if recipe.monitor == "macro_f1" else "min",
        )
        classifier = learner.classifier.cpu().eval()
        logits = FoldModel(classifier, recipe, classes).logits(pages[valid.rows])[0].numpy()  # (N, K)
        refuse_chance(fold, logits[:, : len(classes)].argmax(1), targets[valid.rows])
        facts = {"fold": fold, "best_epoch": result.best_epoch}
        save_fold(fold_path(fold), classifier.network, recipe, classes, facts)
        write_fold(fold, logits[:, : len(classes)], targets[valid.rows])
        figures["training_pages"] = len(train)
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    logger.info("best epoch %d, %s %.4f", result.best_epoch + 1, recipe.monitor, result.best_score)


def make_learner(recipe: Recipe, train: PageDataset, classes: int, seed: int) -> Learner:
    """Build the network with its weights, and recalibrate its batch norms where the recipe says so."""
    classifier = Classifier(build_network(recipe, classes), recipe.channels_last, recipe.standardise)
    counts = torch.bincount(train.targets, minlength=classes).float()
    learner = Learner(classifier, recipe, counts, seed)
    if recipe.recalibrate:
        recalibrate_batch_norm(classifier.network, calibration_batches(learner, train, seed))
    learner.train()
    return learner


def calibration_batches(learner: Learner, train: PageDataset, seed: int) -> "list[torch.Tensor]":
    """Augmented images of random training pages, as batch norm will meet them: each (B, 3, S, S), normalised."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "recalibrate"))
    rows = torch.randperm(len(train), generator=generator)[: learner.recipe.recalibrate]
    return [
        learner.classifier.normalise(learner.augmentation(*train[part.numpy()], 1.0, generator)[0])
        for part in rows.split(learner.recipe.batch_size)
    ]


def refuse_chance(fold: int, predicted: np.ndarray, targets: np.ndarray) -> None:
    """Refuse a network that says nothing about its pages: nobody would notice one fold of five in an average.

    Args:
        fold: its number, for the message.
        predicted: (N,) classes.
        targets: (N,) classes.

    Raises:
        InputError: predictions agree with the labels no more than if the same predictions were dealt out at random.
    """
    agreed, count = int((predicted == targets).sum()), int(max(predicted.max(), targets.max())) + 1
    shares = [np.bincount(labels, minlength=count) / len(labels) for labels in (predicted, targets)]
    by_chance = float(shares[0] @ shares[1])
    if binomtest(agreed, len(targets), by_chance, "greater").pvalue > CHANCE_LEVEL:
        raise InputError(
            f"fold {fold} ended at chance: {agreed} of {len(targets)} pages right, "
            f"{by_chance * len(targets):.1f} expected by luck; try a lower lr, more epochs or other weights"
        )


def write_fold(fold: int, logits: np.ndarray, targets: np.ndarray) -> None:
    """Write out-of-fold logits (N, C) and targets (N,), and which weights they are of."""
    folder = OUT_OF_FOLD / f"fold-{fold}"
    write_npy(folder / "logits.npy", logits)
    write_npy(folder / "targets.npy", targets.astype(np.int64))
    write_json(folder / "model.json", {"path": str(fold_path(fold)), "sha256": hash_file(fold_path(fold))})


def input_fingerprint(fold: int, recipe: Recipe) -> str:
    """Hash of the inputs that decide the result beside recipe, seed and code."""
    files = [PREPARED / name for name in ("images.npy", "pages.parquet", "classes.json")]
    if recipe.weights not in ("none", "hub"):
        files.append(Path(recipe.weights))
    return hash_bytes(str(fold).encode(), *(hash_file(path).encode() for path in files))
