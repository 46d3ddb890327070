"""Matrices of similarities, documents x classes, filled and described in blocks of rows."""

from pathlib import Path
from typing import Any

import numpy as np

from reprise.core.files import new_npy

BLOCK = 4096  # documents at once


def write_cosines(path: Path, documents: np.ndarray, classes: np.ndarray) -> None:
    """Write the cosines (N, C) of documents (N, D) and classes (C, D), all rows of norm 1."""
    with new_npy(path, (len(documents), len(classes)), "float32") as matrix:
        for start in range(0, len(documents), BLOCK):
            block = slice(start, start + BLOCK)
            matrix[block] = documents[block] @ classes.T


def matrix_statistics(matrix: np.ndarray) -> dict[str, Any]:
    """Describe an (N, C) matrix in one pass; pairs that were never scored, NaN, are counted and left out."""
    count, total, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    for start in range(0, len(matrix), BLOCK):
        block = np.asarray(matrix[start : start + BLOCK], dtype=np.float64)
        scored = block[~np.isnan(block)]
        count, total, squares = count + scored.size, total + scored.sum(), squares + np.square(scored).sum()
        low, high = min(low, scored.min()), max(high, scored.max())
    mean = total / count
    return {
        "min": float(low),
        "max": float(high),
        "mean": float(mean),
        "std": float(np.sqrt(max(squares / count - mean**2, 0.0))),
        "documents": matrix.shape[0],
        "classes": matrix.shape[1],
        "pairs_never_scored": int(matrix.size - count),
    }
