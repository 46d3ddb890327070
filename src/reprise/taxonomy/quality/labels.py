"""Labels of documents: read by taxonomy-evaluate alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from reprise.core.errors import InputError
from reprise.taxonomy.data.class_lists import read_class_lists
from reprise.taxonomy.data.hierarchy import Hierarchy


def read_labels(path: Path, hierarchy: Hierarchy, documents: Sequence[str]) -> csr_array:
    """Read `doc id<TAB>class id,class id`, as given: nothing is closed under ancestors.

    Args:
        path: the file.
        hierarchy: the C classes.
        documents: ids of the N documents of the corpus.

    Returns:
        (N, C) sparse bool; a document may be about none of the classes.

    Raises:
        InputError: an unknown document or class, a document twice or without a line.
    """
    lists = read_class_lists(path, hierarchy, documents)
    if missing := [document for row, document in enumerate(documents) if row not in lists]:
        raise InputError(f"{path}: no line for {len(missing)} documents, such as {missing[0]!r}")
    labelled = [(row, column) for row, (_, columns) in lists.items() for column in columns]
    positions = np.array(labelled, dtype=np.int64).reshape(-1, 2).T
    values = np.ones(positions.shape[1], dtype=bool)
    return csr_array((values, (positions[0], positions[1])), shape=(len(documents), len(hierarchy)))
