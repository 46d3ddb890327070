"""Lines of `doc id<TAB>class id,class id`: labels of a test set, and the seed documents of a person."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.lines import read_pairs, shorten

EXPECTED = "doc id<TAB>class id,class id"


def read_class_lists(path: Path, hierarchy: Hierarchy, documents: Sequence[str]) -> dict[int, tuple[int, list[int]]]:
    """Read the classes of some documents, as given: nothing is closed under ancestors.

    Args:
        path: the file.
        hierarchy: the C classes.
        documents: ids of the N documents of the corpus.

    Returns:
        Line number and columns of the classes by the row of the document, in the order of the file.

    Raises:
        InputError: an unknown document or class, or a document twice.
    """
    rows = {document: row for row, document in enumerate(documents)}
    columns = {identifier: column for column, identifier in enumerate(hierarchy.ids)}
    lists: dict[int, tuple[int, list[int]]] = {}
    for number, document, text in read_pairs(path, EXPECTED):
        if document not in rows:
            raise InputError(f"{path}:{number}: document {shorten(document)!r} is not in the corpus")
        row = rows[document]
        if row in lists:
            first = lists[row][0]
            raise InputError(f"{path}:{number}: duplicate document id {shorten(document)!r}, first on line {first}")
        composed = compose_name(text)
        found = list(dict.fromkeys(part.strip() for part in composed.split(",") if part.strip()))
        for identifier in found:
            if identifier not in columns:
                raise InputError(f"{path}:{number}: class id {shorten(identifier)!r} is not in the file of classes")
        lists[row] = number, [columns[identifier] for identifier in found]
    return lists


def read_seed_documents(path: Path, hierarchy: Hierarchy, documents: Sequence[str]) -> np.ndarray:
    """Read the classes of the training documents that a person labelled; without such a file there are none.

    Args:
        path: the file.
        hierarchy: the C classes.
        documents: ids of the N training documents.

    Returns:
        (N, C) bool, as given; a row without a class is no seed document.

    Raises:
        InputError: an unknown document or class, a document twice or without a class.
    """
    seeds = np.zeros((len(documents), len(hierarchy)), dtype=bool)
    if not path.exists():
        return seeds
    for row, (number, columns) in read_class_lists(path, hierarchy, documents).items():
        if not columns:
            raise InputError(f"{path}:{number}: document {shorten(documents[row])!r} has no class; expected {EXPECTED}")
        seeds[row, columns] = True
    return seeds
