"""Scores of predicted classes."""

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from reprise.documents.data.tables import Classes


def scores(predicted: np.ndarray, targets: np.ndarray, classes: Classes) -> dict[str, Any]:
    """Macro-F1, accuracy, and precision, recall, F1 and support of each class.

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
    """Mean F1 over the classes that are the label or the prediction of some page."""
    return float(f1_score(targets, predicted, average="macro", zero_division=0))


def scores_by_fold(predicted: np.ndarray, targets: np.ndarray, folds: np.ndarray) -> dict[str, dict[str, float]]:
    """Each fold's macro-F1 and accuracy: what its training logged for the epoch that was chosen."""
    result = {}
    for fold in np.unique(folds).tolist():
        own, labels = predicted[folds == fold], targets[folds == fold]
        result[str(fold)] = {"macro_f1": macro_f1(own, labels), "accuracy": float((own == labels).mean())}
    return result
