"""Labels of documents: read by taxonomy-evaluate alone.

A document about iced tea is about tea and about drinks too. Predictions name all of these, so labels that name the leaf
alone have to be closed under ancestors before they are compared.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array

from reprise.core.errors import InputError
from reprise.taxonomy.data.class_lists import read_class_lists
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.layout import recognise
from reprise.taxonomy.data.lines import shorten

logger = logging.getLogger("reprise")

NEARLY_ALL = 0.9  # share of the documents from which on labels count as given without ancestors

LabelRule = Literal["auto", "as_given", "closed"]


def labels_path(folder: Path, split: str) -> Path:
    """Where a person's folder has the labels of a split's documents, in either layout; it need not be there."""
    nested = recognise(folder).name == "TELEClass"
    return folder / split / "doc2labels.txt" if nested else folder / f"{split}_doc2labels.txt"


def read_truth(
    path: Path, hierarchy: Hierarchy, documents: Sequence[str], rule: LabelRule
) -> tuple[csr_array | None, dict[str, Any]]:
    """True labels (N, C) and what `apply_rule` found of them; None and nothing where there is no such file.

    Raises:
        InputError: as `read_labels`.
    """
    if not path.exists():
        return None, {}
    truth, found = apply_rule(read_labels(path, hierarchy, documents), hierarchy, rule)
    if found["documents_lacking_ancestors"]:
        logger.warning(
            "%s: the labels of %d documents lack ancestors, of %d with a class below the top level; %s",
            path,
            found["documents_lacking_ancestors"],
            found["documents_below_top"],
            "these are added" if found["closed"] else "scored as given: taxonomy.evaluate.labels: closed adds them",
        )
    return truth, found


def apply_rule(given: csr_array, hierarchy: Hierarchy, rule: LabelRule) -> tuple[csr_array, dict[str, Any]]:
    """Close labels under ancestors, where the rule says so.

    Args:
        given: (N, C) bool.
        hierarchy: the C classes.
        rule: `closed` and `as_given` say it all; `auto` closes labels where nearly all documents with a class below the
            top level lack one of its ancestors.

    Returns:
        The labels (N, C) bool, and what was found: the documents with a class below the top level, those that lack
        ancestors, and whether the labels were closed.
    """
    matrix = given.toarray()
    closed = hierarchy.close_upwards(matrix)
    lacking = int((closed != matrix).any(axis=1).sum())
    below_top = int(matrix[:, hierarchy.levels > 1].any(axis=1).sum())
    close = rule == "closed" or (rule == "auto" and lacking > 0 and lacking >= NEARLY_ALL * below_top)
    found = {"documents_below_top": below_top, "documents_lacking_ancestors": lacking, "closed": close}
    return (csr_array(closed) if close else given), found


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
        raise InputError(f"{path}: no line for {len(missing)} documents, such as {shorten(missing[0])!r}")
    labelled = [(row, column) for row, (_, columns) in lists.items() for column in columns]
    positions = np.array(labelled, dtype=np.int64).reshape(-1, 2).T
    values = np.ones(positions.shape[1], dtype=bool)
    return csr_array((values, (positions[0], positions[1])), shape=(len(documents), len(hierarchy)))
