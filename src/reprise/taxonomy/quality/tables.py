"""Tables beside an evaluation: example documents, classes one by one, and confusions of classes."""

import itertools

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.sparse import csr_array

from reprise.core.text import for_csv
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.metrics import class_counts, example_f1_scores

EXAMPLES = 40
SHOWN_CHARACTERS = 160
NO_LEAF = "(no leaf)"


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
        table["true"] = [labels_of(row, hierarchy) for row in truth[rows].toarray()]
    for name, own in sets.items():
        table[name] = [labels_of(row, hierarchy) for row in own[rows]]
    if truth is not None:
        table["f1"] = example_f1_scores(own[rows], truth[rows]).round(3)
    return table


def item_table(test: pd.DataFrame, sets: dict[str, np.ndarray], truth: csr_array | None) -> pd.DataFrame:
    """Tabulate the test documents one by one: doc_id, and each classifier's example-F1; no document without labels."""
    if truth is None:
        return pd.DataFrame(columns=["doc_id", *sets])
    return pd.DataFrame(
        {"doc_id": test["doc_id"]} | {name: example_f1_scores(own, truth) for name, own in sets.items()}
    )


def labels_of(row: np.ndarray, hierarchy: Hierarchy) -> str:
    """Labels of a set of classes, higher levels first."""
    columns = sorted(np.flatnonzero(row), key=lambda column: (hierarchy.levels[column], column))
    return " > ".join(hierarchy.labels[column] for column in columns)


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
            "name": hierarchy.labels,
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
    names = np.array([hierarchy.labels[root] for root in roots], dtype=object)
    if truth is None:
        return pd.DataFrame({"actual": [], "predicted": []})
    actual, predicted = truth[:, roots].toarray(), sets[:, roots]
    single = (actual.sum(axis=1) == 1) & (predicted.sum(axis=1) == 1)
    return pd.DataFrame(
        {"actual": names[actual[single].argmax(axis=1)], "predicted": names[predicted[single].argmax(axis=1)]}
    )


def leaf_confusion_table(sets: np.ndarray, truth: csr_array | None, hierarchy: Hierarchy) -> pd.DataFrame:
    """Tabulate the leaf classes, actual and predicted, of all documents; one may fill several rows.

    A leaf that is true and predicted is a pair with itself. A true leaf that was missed is paired with each leaf that
    was predicted in error, or with NO_LEAF where there is none; a leaf predicted in error where none was missed is
    paired with NO_LEAF. This is the multi-label confusion matrix of Heydarian, Doyle and Samavi (IEEE Access 2022),
    but for such an extra leaf, which they count against the leaves that were found.
    """
    rows: list[tuple[str, str]] = []
    if truth is not None:
        leaves = hierarchy.leaves
        names = [hierarchy.labels[leaf] for leaf in leaves]
        for true, predicted in zip(truth[:, leaves].toarray() > 0, sets[:, leaves], strict=True):
            rows += [(names[leaf], names[leaf]) for leaf in np.flatnonzero(true & predicted)]
            missed = [names[leaf] for leaf in np.flatnonzero(true & ~predicted)]
            extra = [names[leaf] for leaf in np.flatnonzero(predicted & ~true)]
            if missed or extra:
                rows += itertools.product(missed or [NO_LEAF], extra or [NO_LEAF])
    return pd.DataFrame(rows, columns=["actual", "predicted"])


def csv_text(table: pd.DataFrame) -> str:
    """CSV of a table, in which no text is a formula to a spreadsheet; numbers with four decimals."""
    shown = table.copy()
    for name in shown.columns[[not is_numeric_dtype(kind) for kind in shown.dtypes]]:
        shown[name] = shown[name].map(for_csv)
    return shown.to_csv(index=False, float_format="%.4f")
