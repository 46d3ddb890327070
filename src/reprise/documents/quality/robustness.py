"""Macro-F1, accuracy and calibration error of the folds on corrupted copies of pages that they did not learn from."""

from typing import Any

import numpy as np
import pandas as pd

from reprise.core.seed import derive_seed
from reprise.documents.network.corruptions import KINDS, corrupt
from reprise.documents.network.ensemble import Ensemble
from reprise.documents.network.views import average_views
from reprise.documents.quality.calibration import calibration_error
from reprise.documents.quality.scores import macro_f1, macro_f1_interval


def measure_robustness(
    ensemble: Ensemble,
    pages: np.ndarray,
    table: pd.DataFrame,
    together: np.ndarray,
    pages_per_corruption: int,
    seed: int,
) -> dict[str, Any]:
    """Score corrupted copies of pages, each predicted by the fold that did not learn from it, with all its views.

    Args:
        ensemble: the folds.
        pages: (M, S, S, 3) uint8.
        table: row, target, fold and group of the N pages to take.
        together: (N, C) probabilities of their copies under all corruptions together, by `predict_damaged`.
        pages_per_corruption: how many of them, at random, for each corruption alone.
        seed: of the corrupted set, and of the bootstrap.

    Returns:
        `macro_f1` (with its 95 % interval), `accuracy` and `ece` of all pages under all corruptions together;
        `per_corruption`: the macro-F1 under each alone, and under `none`.
    """
    rows, targets, folds = (table[column].to_numpy() for column in ("row", "target", "fold"))
    every, predicted = np.arange(len(rows)), together.argmax(1)
    part = np.sort(np.random.default_rng(derive_seed(seed, "part")).permutation(every)[:pages_per_corruption])
    per_corruption = {
        kind: macro_f1(predict_corrupted(ensemble, pages, rows[part], folds[part], kind, seed).argmax(1), targets[part])
        for kind in ("none", *KINDS)
    }
    return {
        "macro_f1": macro_f1(predicted, targets),
        "macro_f1_ci95": macro_f1_interval(predicted, targets, table["group"].to_numpy(), seed),
        "accuracy": float((predicted == targets).mean()),
        "ece": calibration_error(together, targets),
        "per_corruption": per_corruption,
        "pages_per_corruption": len(part),
    }


def predict_damaged(ensemble: Ensemble, damaged: np.ndarray) -> np.ndarray:
    """Class probabilities (N, C) from the logits (8, N, K) of the views of damaged copies, each by its own fold."""
    views = damaged[list(ensemble.views)].astype(np.float64)
    return average_views(views, len(ensemble.classes), ensemble.temperature)


def predict_corrupted(
    ensemble: Ensemble, pages: np.ndarray, rows: np.ndarray, folds: np.ndarray, kind: str, seed: int
) -> np.ndarray:
    """Class probabilities (N, C) of corrupted pages, each by its own fold's model."""
    probabilities = np.zeros((len(rows), len(ensemble.classes)))
    corrupted = pages[rows] if kind == "none" else corrupt(pages[rows], kind, seed)
    for fold in ensemble.folds:
        own = np.flatnonzero(folds == fold)
        if len(own):
            probabilities[own] = ensemble.fold_probabilities(fold, corrupted[own])
    return probabilities
