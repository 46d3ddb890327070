"""Measure the folds: out of fold, on corrupted copies, and on test labels where they are given.

    python src/run.py documents.evaluate

Reads the stored out-of-fold logits, the fold models, and the test predictions with the test labels of `documents.data`,
which no other stage reads. Writes metrics/documents/evaluation.json, the pages one by one (items.csv, test_items.csv),
suspects.csv (but for the pages whose label a person has settled), confusion.csv and pictures.
"""

import logging
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.metrics import confusion_matrix

from reprise.core.devices import torch_devices
from reprise.core.figures import plot_confusion, plot_contact_sheet
from reprise.core.files import read_npy, read_parquet, write_json, write_text
from reprise.core.params import Hardware, Params, load_params, load_path, load_seed, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.core.text import for_csv, for_terminal
from reprise.documents.data.corrections import FILE, read_corrections, settled_pages
from reprise.documents.data.tables import Classes
from reprise.documents.network.ensemble import load_ensemble
from reprise.documents.network.out_of_fold import read_out_of_fold
from reprise.documents.paths import IMAGES, METRICS, MODELS, PAGES, PREPARED, TIMING
from reprise.documents.quality.held_out import score_test_pages
from reprise.documents.quality.plots import plot_corruptions
from reprise.documents.quality.robustness import measure_robustness, predict_damaged
from reprise.documents.quality.scores import list_items, scores, scores_by_fold
from reprise.documents.quality.suspects import list_suspects

logger = logging.getLogger("reprise")


class EvaluateParams(Params):
    """`documents.evaluate`: how much is measured and shown."""

    labels: Annotated[str, Field(min_length=1)]
    pages_per_corruption: Annotated[int, Field(ge=1)]
    suspects_shown: Annotated[int, Field(ge=0)]


def main() -> None:
    params, seed = load_params("documents.evaluate", EvaluateParams), load_seed()
    columns = load_value("documents.prepare.id_column"), load_value("documents.prepare.target_column")
    hardware, data = load_params("hardware", Hardware), load_path("documents.data")
    evaluation_seed = derive_seed(seed, "documents-evaluate")
    use_deterministic_kernels(hardware.threads)
    with timed(TIMING / "evaluate.json"):
        table, pages = read_parquet(PREPARED / PAGES), read_npy(PREPARED / IMAGES)
        ensemble = load_ensemble(MODELS, torch_devices(hardware)[0], hardware.eval_batch_size)
        classes = ensemble.classes
        out_of_fold = read_out_of_fold(list(ensemble.folds))
        rows = out_of_fold.rows_in(table)  # (N,)
        order = np.argsort(rows)
        scored = table.assign(row=range(len(table))).iloc[rows[order]]
        predicted, targets, folds = out_of_fold.logits.argmax(1), out_of_fold.targets, out_of_fold.folds
        groups = table["group"].to_numpy()[rows]
        together = predict_damaged(ensemble, out_of_fold.damaged[:, order])  # (N, C)
        evaluation = {
            "oof": {
                **scores(predicted, targets, classes, groups, evaluation_seed),
                "folds": scores_by_fold(predicted, targets, folds),
            },
            "robust": measure_robustness(
                ensemble, pages, scored, together, params.pages_per_corruption, evaluation_seed
            ),
        }
        labels = data / params.labels
        test, test_items = score_test_pages(labels, METRICS / "probabilities.csv", classes, columns, evaluation_seed)
        if test is not None:
            evaluation["test"] = test
        write_json(METRICS / "evaluation.json", evaluation)
        classified = {"label": targets[order], "predicted": predicted[order], "corrupted": together.argmax(1)}
        items = list_items(scored["id"], classes, **classified).assign(group=groups[order])
        write_text(METRICS / "items.csv", items.to_csv(index=False))
        write_text(METRICS / "test_items.csv", test_items.to_csv(index=False))
        write_confusion(predicted, targets, classes)
        settled = settled_pages(read_corrections(data / FILE, *columns, classes))
        suspects = list_suspects(out_of_fold, table.iloc[rows], classes, settled)
        write_text(METRICS / "suspects.csv", suspects.map(for_csv).to_csv(index=False))
        plot_corruptions(METRICS / "robustness.png", evaluation["robust"], evaluation["oof"]["macro_f1"])
        show_suspects(suspects, pages[rows[suspects.index[: params.suspects_shown]]])
    log_evaluation(evaluation, len(suspects))


def write_confusion(predicted: np.ndarray, targets: np.ndarray, classes: Classes) -> None:
    """Write the out-of-fold confusion matrix as a picture, and as pairs for `dvc plots`."""
    matrix = confusion_matrix(targets, predicted, labels=range(len(classes)))
    plot_confusion(METRICS / "confusion.png", matrix, classes.names, "Classes, out of fold", "pages")
    pairs = pd.DataFrame({"actual": targets, "predicted": predicted}).map(classes.names.__getitem__)
    write_text(METRICS / "confusion.csv", pairs.to_csv(index=False))


def show_suspects(suspects: pd.DataFrame, pages: np.ndarray) -> None:
    """Draw the pages (n, S, S, 3) of the first n suspects on a contact sheet."""
    captions = [
        f"{for_terminal(row.file)}\nlabel: {for_terminal(row.label)}\n"
        f"model: {row.probability:.2f} {for_terminal(row.predicted)}"
        for row in suspects.head(len(pages)).itertuples()
    ]
    title = f"{len(pages)} of {len(suspects)} labels that the models contradict"
    plot_contact_sheet(METRICS / "suspects.png", [(title, pages, captions)], "The models contradict no label.")


def log_evaluation(evaluation: dict[str, Any], suspects: int) -> None:
    oof, robust = evaluation["oof"], evaluation["robust"]
    logger.info("out of fold: macro-F1 %.4f, accuracy %.4f", oof["macro_f1"], oof["accuracy"])
    logger.info("on corrupted copies: macro-F1 %.4f", robust["macro_f1"])
    if robust["macro_f1"] < oof["macro_f1"] - 0.1:
        logger.warning("the score collapses on bad scans: see robustness.png, and orientation and augmentation")
    if "test" in evaluation:
        logger.info("test: macro-F1 %.4f, ECE %.4f", evaluation["test"]["macro_f1"], evaluation["test"]["ece"])
    logger.info("%d labels look wrong: see suspects.csv and suspects.png", suspects)
