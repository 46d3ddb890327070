"""Reading the silver labels."""

from pathlib import Path

import numpy as np

from reprise.core.files import read_parquet
from reprise.taxonomy.data.hierarchy import Hierarchy


def read_core_classes(path: Path, hierarchy: Hierarchy) -> np.ndarray:
    """Core classes of the training documents as a matrix (N, C) bool."""
    columns = {identifier: column for column, identifier in enumerate(hierarchy.ids)}
    lists = read_parquet(path)["core_classes"]
    core = np.zeros((len(lists), len(columns)), dtype=bool)
    for row, identifiers in enumerate(lists):
        core[row, [columns[identifier] for identifier in identifiers]] = True
    return core
