"""Measure the folds: out of fold, on corrupted copies, and on test labels where they are given.

    python src/run.py documents.evaluate

Reads the stored out-of-fold logits, the fold models, and the test predictions with the test labels of `documents.data`,
which no other stage reads. Writes metrics/documents/evaluation.json, suspects.csv, confusion.csv and pictures.
"""

import logging
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from reprise.core.devices import torch_devices
from reprise.core.errors import InputError
from reprise.core.files import read_npy, read_parquet, write_json, write_text
from reprise.core.params import Hardware, Params, load_params, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.documents.data.tables import Classes, read_labels
from reprise.documents.network.ensemble import Ensemble, load_ensemble
from reprise.documents.quality.calibration import calibration_error
from reprise.documents.quality.corruptions import ALL, KINDS, corrupt_block
from reprise.documents.quality.out_of_fold import OutOfFold, read_out_of_fold
from reprise.documents.quality.plots import plot_confusion, plot_contact_sheet, plot_corruptions
from reprise.documents.quality.suspects import find_suspects
from reprise.documents.stages.calibrate import cross_fitted_temperatures

logger = logging.getLogger("reprise")

PREPARED = Path("data/documents/prepared")
METRICS = Path("metrics/documents")
MODELS = Path("models/documents")
TEST_LABELS = "test_labels.csv"
BLOCK = 512  # pages that are corrupted at once


class EvaluateParams(Params):
    """`documents.evaluate`: how much is measured and shown."""

    pages_per_corruption: Annotated[int, Field(ge=1)]
    suspects_shown: Annotated[int, Field(ge=0)]


def main() -> None:
    """Run the stage."""
    params, seed = load_params("documents.evaluate", EvaluateParams), load_value("seed")
    hardware, folds = load_params("hardware", Hardware), load_value("documents.folds")
    columns = load_value("documents.prepare.id_column"), load_value("documents.prepare.target_column")
    use_deterministic_kernels(hardware.threads)
    with timed(METRICS / "timing/evaluate.json"):
        table, pages = read_parquet(PREPARED / "pages.parquet"), read_npy(PREPARED / "images.npy")
        out_of_fold = read_out_of_fold(len(folds))
        ensemble = load_ensemble(MODELS, torch_devices(hardware)[0])
        classes = ensemble.classes
        predicted = out_of_fold.logits.argmax(1)
        evaluation = {
            "oof": {
                **scores(predicted, out_of_fold.targets, classes),
                "folds": scores_by_fold(predicted, out_of_fold),
            },
            "robust": robustness(ensemble, pages, table, derive_seed(seed, "documents-evaluate"), params),
        }
        test = test_scores(Path(load_value("documents.data")) / TEST_LABELS, classes, columns)
        if test is not None:
            evaluation["test"] = test
        write_json(METRICS / "evaluation.json", evaluation)
        write_confusion(predicted, out_of_fold.targets, classes)
        show_corruptions(evaluation)
        suspects = write_suspects(out_of_fold, table, classes, len(folds))
        show_suspects(suspects, pages, params.suspects_shown)
    report(evaluation, len(suspects))


def scores(predicted: np.ndarray, targets: np.ndarray, classes: Classes) -> dict[str, Any]:
    """Macro-F1, accuracy, and precision, recall, F1 and support of each class.

    Macro-F1 is the mean over the classes that are a label or a prediction of some page.

    Args:
        predicted: (N,) classes.
        targets: (N,) classes.
        classes: the C classes.
    """
    rows = precision_recall_fscore_support(targets, predicted, labels=range(len(classes)), zero_division=0)
    per_class = {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for name, precision, recall, f1, support in zip(classes.names, *rows, strict=True)
    }
    return {
        "macro_f1": macro_f1(predicted, targets),
        "accuracy": float(accuracy_score(targets, predicted)),
        "per_class": per_class,
    }


def macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 over the classes that occur."""
    return float(f1_score(targets, predicted, average="macro", zero_division=0))


def scores_by_fold(predicted: np.ndarray, out_of_fold: OutOfFold) -> dict[str, dict[str, float]]:
    """Each fold's macro-F1 and accuracy: what its training logged for the epoch that was chosen."""
    result = {}
    for fold in np.unique(out_of_fold.folds).tolist():
        chosen = out_of_fold.folds == fold
        own, targets = predicted[chosen], out_of_fold.targets[chosen]
        result[str(fold)] = {"macro_f1": macro_f1(own, targets), "accuracy": float((own == targets).mean())}
    return result


def robustness(
    ensemble: Ensemble, pages: np.ndarray, table: pd.DataFrame, seed: int, params: EvaluateParams
) -> dict[str, Any]:
    """Macro-F1 on corrupted copies of the pages, each predicted by the fold that did not learn from it.

    With the views that prediction uses. `macro_f1` is under all corruptions together, on all pages; `per_corruption`
    has each alone, and `none`, on a random part of them.

    Args:
        ensemble: the folds.
        pages: (N, S, S, 3) uint8.
        table: target and fold of the N pages.
        seed: of the corrupted set.
        params: how many pages for each corruption alone.
    """
    every = np.arange(len(table))
    part = np.sort(np.random.default_rng(derive_seed(seed, "part")).permutation(every)[: params.pages_per_corruption])
    targets, folds = table["target"].to_numpy(), table["fold"].to_numpy()
    per_corruption = {
        kind: macro_f1(predict_corrupted(ensemble, pages, folds, part, kind, seed).argmax(1), targets[part])
        for kind in ("none", *KINDS)
    }
    together = predict_corrupted(ensemble, pages, folds, every, ALL, seed)
    return {
        "macro_f1": macro_f1(together.argmax(1), targets),
        "accuracy": float((together.argmax(1) == targets).mean()),
        "ece": calibration_error(together, targets),
        "per_corruption": per_corruption,
        "pages_per_corruption": len(part),
    }


def predict_corrupted(
    ensemble: Ensemble, pages: np.ndarray, folds: np.ndarray, rows: np.ndarray, kind: str, seed: int
) -> np.ndarray:
    """Class probabilities (len(rows), C) of corrupted pages, each by its own fold's model."""
    probabilities = np.zeros((len(rows), len(ensemble.classes)))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        corrupted = pages[block]
        if kind != "none":
            corrupted = corrupt_block(torch.from_numpy(corrupted), kind, seed, start).numpy()
        for fold in ensemble.folds:
            own = np.flatnonzero(folds[block] == fold)
            if len(own):
                probabilities[start + own] = ensemble.fold_probabilities(fold, corrupted[own])
    return probabilities


def test_scores(path: Path, classes: Classes, columns: tuple[str, str]) -> dict[str, Any] | None:
    """Scores of the stored test predictions; None where there are no labels.

    Raises:
        InputError: a label for a page that was not predicted, or a page without a label.
    """
    if not path.exists():
        return None
    labels = read_labels(path, *columns, classes).set_index("id")["target"]
    probabilities = pd.read_csv(METRICS / "probabilities.csv", dtype={columns[0]: str}).set_index(columns[0])
    if unknown := sorted(set(labels.index) - set(probabilities.index)):
        raise InputError(f"{path}: label for {unknown[0]!r}, which is not a test page")
    if missing := sorted(set(probabilities.index) - set(labels.index)):
        raise InputError(f"{path}: {len(missing)} test pages have no label, such as {missing[0]!r}")
    targets = labels.loc[probabilities.index].to_numpy()
    values = probabilities.to_numpy(dtype=np.float64)
    return {
        **scores(values.argmax(1), targets, classes),
        "ece": calibration_error(values, targets),
        "pages": len(targets),
    }


def write_confusion(predicted: np.ndarray, targets: np.ndarray, classes: Classes) -> None:
    """Write the out-of-fold confusion matrix as a picture, and as pairs for `dvc plots`."""
    matrix = confusion_matrix(targets, predicted, labels=range(len(classes)))
    plot_confusion(METRICS / "confusion.png", matrix, classes.names)
    pairs = pd.DataFrame({"actual": targets, "predicted": predicted}).map(classes.names.__getitem__)
    write_text(METRICS / "confusion.csv", pairs.to_csv(index=False))


def show_corruptions(evaluation: dict[str, Any]) -> None:
    """Draw macro-F1 under each corruption."""
    robust = evaluation["robust"]
    bars = {**robust["per_corruption"], "all together": robust["macro_f1"]}
    plot_corruptions(METRICS / "robustness.png", bars, evaluation["oof"]["macro_f1"])


def write_suspects(out_of_fold: OutOfFold, table: pd.DataFrame, classes: Classes, folds: int) -> pd.DataFrame:
    """Write the labels that the models contradict, by calibrated out-of-fold probability; with the page's row."""
    temperatures = cross_fitted_temperatures(out_of_fold, folds)[out_of_fold.folds][:, None]
    found = find_suspects(softmax(out_of_fold.logits / temperatures, axis=1), out_of_fold.targets)
    rows = np.argsort(table["fold"].to_numpy(), kind="stable")[found["row"]]  # as the folds' logits are put together
    suspects = pd.DataFrame(
        {
            "ID": table["id"].to_numpy()[rows],
            "file": table["file"].to_numpy()[rows],
            "label": [classes.names[target] for target in found["target"]],
            "predicted": [classes.names[target] for target in found["predicted"]],
            "probability": found["probability"].round(4),
            "label_probability": found["label_probability"].round(4),
            "fold": table["fold"].to_numpy()[rows],
        }
    )
    write_text(METRICS / "suspects.csv", suspects.to_csv(index=False))
    return suspects.assign(row=rows)


def show_suspects(suspects: pd.DataFrame, pages: np.ndarray, count: int) -> None:
    """Draw the first suspects on a contact sheet."""
    shown = suspects.head(count)
    captions = [
        f"{row.file}\nlabel: {row.label}\nmodel: {row.predicted} {row.probability:.2f}" for row in shown.itertuples()
    ]
    title = f"{len(shown)} of {len(suspects)} labels that the models contradict"
    plot_contact_sheet(METRICS / "suspects.png", pages[shown["row"].to_numpy(dtype=int)], captions, title)


def report(evaluation: dict[str, Any], suspects: int) -> None:
    """Say what was found."""
    oof, robust = evaluation["oof"], evaluation["robust"]
    logger.info("out of fold: macro-F1 %.4f, accuracy %.4f", oof["macro_f1"], oof["accuracy"])
    logger.info("on corrupted copies: macro-F1 %.4f", robust["macro_f1"])
    if robust["macro_f1"] < oof["macro_f1"] - 0.1:
        logger.warning("the score collapses on bad scans: see robustness.png, and orientation and augmentation")
    if "test" in evaluation:
        logger.info("test: macro-F1 %.4f, ECE %.4f", evaluation["test"]["macro_f1"], evaluation["test"]["ece"])
    logger.info("%d labels look wrong: see suspects.csv and suspects.png", suspects)
