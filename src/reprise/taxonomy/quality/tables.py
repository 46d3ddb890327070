"""Tables beside an evaluation: example documents, classes one by one, and confusions of top-level classes."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.metrics import class_counts, example_f1_scores

EXAMPLES = 40
SHOWN_CHARACTERS = 160


def example_table(
    test: pd.DataFrame, sets: dict[str, np.ndarray], truth: csr_array | None, hierarchy: Hierarchy
) -> pd.DataFrame:
    """Tabulate documents spread over the corpus: text, true classes, and each classifier's; `f1` is the last one's.

    Args:
        test: doc_id and text of the N test documents.
        sets: predicted classes (N, C) bool by classifier.
        truth: (N, C), or None without labels.
        hierarchy: the C classes.
    """
    rows = np.unique(np.linspace(0, len(test) - 1, min(EXAMPLES, len(test))).astype(int))
    table = pd.DataFrame({"doc_id": test["doc_id"].iloc[rows], "text": test["text"].iloc[rows].str[:SHOWN_CHARACTERS]})
    if truth is not None:
        table["true"] = [names_of(row, hierarchy) for row in truth[rows].toarray()]
    for name, own in sets.items():
        table[name] = [names_of(row, hierarchy) for row in own[rows]]
    if truth is not None:
        table["f1"] = example_f1_scores(own[rows], truth[rows]).round(3)
    return table


def names_of(row: np.ndarray, hierarchy: Hierarchy) -> str:
    """Names of a set of classes, higher levels first."""
    columns = sorted(np.flatnonzero(row), key=lambda column: (hierarchy.levels[column], column))
    return " > ".join(hierarchy.names[column] for column in columns)


def class_table(sets: np.ndarray, truth: csr_array | None, core: np.ndarray, hierarchy: Hierarchy) -> pd.DataFrame:
    """Tabulate the classes: their true, silver and predicted documents, and precision, recall and F1.

    Args:
        sets: predicted classes (N, C) bool of the test documents.
        truth: (N, C), or None without labels.
        core: core classes (M, C) bool of the training documents.
        hierarchy: the C classes.
    """
    table = pd.DataFrame(
        {
            "id": hierarchy.ids,
            "name": hierarchy.names,
            "level": hierarchy.levels,
            "silver_documents": hierarchy.close_upwards(core).sum(axis=0),
            "predicted": sets.sum(axis=0),
        }
    )
    if truth is not None:
        found, predicted, true = class_counts(sets, truth)
        table["support"] = true
        table["precision"] = found / np.maximum(predicted, 1)
        table["recall"] = found / np.maximum(true, 1)
        table["f1"] = 2 * found / np.maximum(predicted + true, 1)
    return table


def confusion_table(sets: np.ndarray, truth: csr_array | None, hierarchy: Hierarchy) -> pd.DataFrame:
    """Tabulate the top-level classes, actual and predicted, of the documents with one of each."""
    roots = list(hierarchy.roots)
    names = np.array([hierarchy.names[root] for root in roots], dtype=object)
    if truth is None:
        return pd.DataFrame({"actual": [], "predicted": []})
    actual, predicted = truth[:, roots].toarray(), sets[:, roots]
    single = (actual.sum(axis=1) == 1) & (predicted.sum(axis=1) == 1)
    return pd.DataFrame(
        {"actual": names[actual[single].argmax(axis=1)], "predicted": names[predicted[single].argmax(axis=1)]}
    )
