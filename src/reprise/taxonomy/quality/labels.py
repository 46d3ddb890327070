"""Labels of documents: read by taxonomy-evaluate alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.lines import read_pairs


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
    rows = {document: row for row, document in enumerate(documents)}
    columns = {identifier: column for column, identifier in enumerate(hierarchy.ids)}
    seen: dict[str, int] = {}
    labelled: list[tuple[int, int]] = []
    for number, document, text in read_pairs(path, "doc id<TAB>class id,class id"):
        if document not in rows:
            raise InputError(f"{path}:{number}: document {document!r} is not in the corpus")
        if document in seen:
            raise InputError(f"{path}:{number}: duplicate document id {document!r}, first on line {seen[document]}")
        seen[document] = number
        for identifier in dict.fromkeys(part.strip() for part in text.split(",") if part.strip()):
            if identifier not in columns:
                raise InputError(f"{path}:{number}: class id {identifier!r} is not in classes.txt")
            labelled.append((rows[document], columns[identifier]))
    if missing := [document for document in documents if document not in seen]:
        raise InputError(f"{path}: no line for {len(missing)} documents, such as {missing[0]!r}")
    positions = np.array(labelled, dtype=np.int64).reshape(-1, 2).T
    values = np.ones(positions.shape[1], dtype=bool)
    return csr_array((values, (positions[0], positions[1])), shape=(len(documents), len(columns)))
