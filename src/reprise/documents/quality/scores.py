"""Scores of predicted classes."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from reprise.core.bootstrap import BOUNDS, bootstrap_draws
from reprise.core.text import for_csv
from reprise.documents.data.tables import Classes


def scores(
    predicted: np.ndarray, targets: np.ndarray, classes: Classes, groups: np.ndarray, seed: int
) -> dict[str, Any]:
    """Macro-F1 with its 95 % interval, accuracy, and precision, recall, F1 and support of each class.

    Args:
        predicted: (N,) classes.
        targets: (N,) classes.
        classes: the C classes.
        groups: (N,) of the pages: near-duplicates are drawn together.
        seed: of the bootstrap.
    """
    rows = precision_recall_fscore_support(targets, predicted, labels=range(len(classes)), zero_division=0)
    per_class = {
        name: {"precision": float(precision), "recall": float(recall), "f1": float(f1), "support": int(support)}
        for name, precision, recall, f1, support in zip(classes.names, *rows, strict=True)
    }
    return {
        "macro_f1": macro_f1(predicted, targets),
        "macro_f1_ci95": macro_f1_interval(predicted, targets, groups, seed),
        "accuracy": float(accuracy_score(targets, predicted)),
        "per_class": per_class,
    }


def macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 over the classes that are the label or the prediction of some page."""
    return float(f1_score(targets, predicted, average="macro", zero_division=0))


def macro_f1_interval(predicted: np.ndarray, targets: np.ndarray, groups: np.ndarray, seed: int) -> list[float]:
    """95 % percentile interval of the macro-F1 of predicted classes (N,), four decimals.

    In each draw it is the mean over the classes that are the label or the prediction of a drawn page.
    """
    classes = np.union1d(predicted, targets)
    labelled, named = (column[:, None] == classes for column in (targets, predicted))  # (N, C)
    right, there = (labelled & named).astype(np.float64), labelled.astype(np.float64) + named

    def statistic(weights: np.ndarray) -> np.ndarray:
        counts = weights @ there  # (B, C)
        f1 = 2 * (weights @ right) / np.maximum(counts, 1)
        return f1.sum(axis=1) / (counts > 0).sum(axis=1)

    return np.quantile(bootstrap_draws(statistic, groups, seed), BOUNDS).round(4).tolist()


def scores_by_fold(predicted: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> dict[str, dict[str, float]]:
    """Each fold's macro-F1 and accuracy: what its training logged for the epoch that was chosen."""
    result = {}
    for fold in np.unique(folds).tolist():
        own, labels = predicted[folds == fold], targets[folds == fold]
        result[str(fold)] = {"macro_f1": macro_f1(own, labels), "accuracy": float((own == labels).mean())}
    return result


def list_items(ids: Iterable[str], classes: Classes, **places: Iterable[int]) -> pd.DataFrame:
    """Tabulate N pages one by one: `ID`, and a column of class names for each of `places` in the C classes, (N,)."""
    names = {column: [classes.names[place] for place in own] for column, own in places.items()}
    return pd.DataFrame({"ID": list(ids), **names}).map(for_csv)
