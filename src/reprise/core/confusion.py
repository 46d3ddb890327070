"""Confusion matrices: counts of labels and predictions, and the classes that are confused most."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def most_confused(matrix: np.ndarray, most: int) -> np.ndarray:
    """Indices of the classes of a confusion matrix (C, C) to show: all, or the `most` with most errors, ascending."""
    if len(matrix) <= most:
        return np.arange(len(matrix))
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    return np.sort(np.argsort(-errors, kind="stable")[:most])


def count_pairs(actual: Sequence[str], predicted: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names of all C classes, sorted, and how often each is predicted for each, (C, C)."""
    names = sorted({*actual, *predicted})
    place = {name: number for number, name in enumerate(names)}
    matrix = np.zeros((len(names), len(names)), np.int64)
    np.add.at(matrix, ([place[name] for name in actual], [place[name] for name in predicted]), 1)
    return names, matrix


def confused_pairs(names: Sequence[str], matrix: np.ndarray) -> pd.DataFrame:
    """Tabulate the confusions of a matrix (C, C), the most frequent first.

    Returns:
        Columns label, predicted, count, labelled (how often the label occurs) and share (of that), three decimals.
    """
    rows, columns = np.nonzero(matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype)))
    counts, labelled = matrix[rows, columns], matrix.sum(axis=1)[rows]
    table = pd.DataFrame(
        {
            "label": [names[row] for row in rows.tolist()],
            "predicted": [names[column] for column in columns.tolist()],
            "count": counts,
            "labelled": labelled,
            "share": (counts / np.maximum(labelled, 1)).round(3),
        }
    )
    return table.sort_values(["count", "share"], ascending=False, kind="stable", ignore_index=True)
