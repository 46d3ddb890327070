"""Fit the temperature by which logits are divided before the softmax.

    python src/run.py documents.calibrate

Reads the logits of `documents.folds` in data/documents/out_of_fold, and which pages are near-duplicates; writes
models/documents/ensemble.json (folds, the hashes of their weights, temperature, views: what prediction takes),
metrics/documents/calibration.json and reliability.png. The temperature makes the labels of pages and of their damaged
copies likely, half and half. What is reported as "after" is cross-fitted: each fold's pages under the temperature of
the other folds. With `documents.calibration: none` the temperature is 1. What an earlier run left of folds that are no
longer in `documents.folds` is deleted.
"""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from reprise.core.errors import InputError
from reprise.core.files import read_parquet, write_json, write_text
from reprise.core.models import write_checked_json
from reprise.core.params import Hardware, load_params, load_seed, load_value
from reprise.core.seed import derive_seed, limit_threads
from reprise.documents.network.out_of_fold import read_out_of_fold
from reprise.documents.network.views import VIEWS
from reprise.documents.paths import (
    ENSEMBLE,
    METRICS,
    MODELS,
    PAGES,
    PREPARED,
    fold_epochs,
    fold_path,
    fold_timing,
    live_folder,
    out_of_fold_folder,
)
from reprise.documents.quality.calibration import TEMPERATURES, at_bound, compare, cross_fitted_temperatures
from reprise.documents.quality.plots import plot_reliability

logger = logging.getLogger("reprise")

PATHS_OF_A_FOLD = (fold_path, out_of_fold_folder, live_folder, fold_timing, fold_epochs)


def main() -> None:
    folds, views = read_folds(), load_value("documents.views")
    seed = derive_seed(load_seed(), "documents-calibrate")
    if not isinstance(views, str) or views not in VIEWS:
        raise InputError(f"params.yaml: documents.views: {views!r}; choose from {', '.join(VIEWS)}")
    calibration = load_value("documents.calibration")
    if calibration not in ("none", "temperature"):
        raise InputError(f"params.yaml: documents.calibration: {calibration!r}; choose from none, temperature")
    with limit_threads(load_params("hardware", Hardware).threads):
        out_of_fold = read_out_of_fold(folds)
        damaged = out_of_fold.damaged[list(VIEWS[views])]  # (V, N, K)
        temperatures = None
        if calibration == "temperature":
            temperatures = cross_fitted_temperatures(
                out_of_fold.logits, out_of_fold.targets, out_of_fold.folds, folds, damaged
            )
        table = read_parquet(PREPARED / PAGES)
        groups = table["group"].to_numpy()[out_of_fold.rows_in(table)]  # (N,)
        report, curves = compare(out_of_fold, damaged, temperatures, groups, seed)
    weights = {str(fold): out_of_fold.weights[fold] for fold in folds}
    ensemble = {"folds": folds, "weights": weights, "temperature": report["temperature"], "views": views}
    write_checked_json(MODELS / ENSEMBLE, ensemble)
    write_json(METRICS / "calibration.json", report)
    plot_reliability(METRICS / "reliability.png", curves)
    for when, columns in curves.items():
        bins = pd.DataFrame(dict(zip(("confidence", "accuracy", "pages"), columns, strict=True))).dropna()
        write_text(METRICS / f"reliability/{when}.csv", bins.to_csv(index=False, float_format="%.6g"))
    delete_other_folds(folds)
    if at_bound(report["temperature"]):
        logger.warning("the temperature %.3g is at a bound of %g to %g", report["temperature"], *TEMPERATURES)
    logger.info(
        "temperature %.3f: ECE %.4f -> %.4f, NLL %.4f -> %.4f",
        *(report[key] for key in ("temperature", "ece_before", "ece_after", "nll_before", "nll_after")),
    )


def read_folds() -> list[int]:
    """Read `documents.folds`.

    Raises:
        InputError: not a list of different whole numbers from 0.
    """
    folds = load_value("documents.folds")
    whole = isinstance(folds, list) and all(type(fold) is int and fold >= 0 for fold in folds)
    if not whole or not folds or len(set(folds)) != len(folds):
        raise InputError(f"params.yaml: documents.folds: {folds!r}; expected a list of folds such as [0, 1, 2]")
    return sorted(folds)


def delete_other_folds(folds: Sequence[int]) -> None:
    """Delete what is left of folds that are trained no more.

    With the stage of a fold, DVC forgets the fold's outputs but leaves the files. They lie inside folders that this and
    later stages depend on, so the folders' hashes would differ between this clone and a fresh one.
    """
    kept = {path(fold) for fold in folds for path in PATHS_OF_A_FOLD}
    for pattern in PATHS_OF_A_FOLD:
        example = pattern(0)
        for path in example.parent.glob(example.name.replace("fold-0", "fold-*")):
            if path not in kept:
                logger.info("%s: deleted, its fold is not in documents.folds", path)
                delete(path)


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
