"""The documents whose labels would help most, chosen without reading a label.

A label says something about the documents around it. So the choice falls on documents amid many unsure ones that no
earlier question covers: the information density of Settles and Craven (EMNLP 2008) with a von Mises-Fisher kernel, and
facility location's greedy choice (Wei, Iyer and Bilmes, ICML 2015).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.questions.unclear import SHOWN_CHARACTERS

KERNEL = 20.0  # of cosines: documents at cosine 0.9 cover each other to 14 %
CANDIDATES = 2048  # documents that may be asked for, spread over the corpus: bounds the memory
REFERENCES = 8192  # documents that a label may say something about


def choose_documents(documents: np.ndarray, posterior: np.ndarray, labelled: np.ndarray, count: int) -> np.ndarray:
    """Rows of the documents to ask for, the one that says most first.

    Args:
        documents: (N, D) embeddings, unit rows.
        posterior: (N, E).
        labelled: (N,) bool, documents that a person has labelled already.
        count: of questions at most.
    """
    centred = documents - documents.mean(axis=0)
    centred = (centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)).astype(np.float32)
    references = spread(np.arange(len(documents)), REFERENCES)
    candidates = spread(np.flatnonzero(~labelled), CANDIDATES)
    unsure = (1 - posterior[references].max(axis=1)).astype(np.float32)
    for row in np.flatnonzero(labelled):
        unsure *= 1 - kernel(centred[row : row + 1], centred[references])[0]
    cover = kernel(centred[candidates], centred[references])  # (M, R)
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        gains = cover @ unsure
        gains[chosen] = -1
        best = int(gains.argmax())
        chosen.append(best)
        unsure *= 1 - cover[best]
    return candidates[chosen]


def kernel(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How much the label of one document says about another, from 0 to 1: (M, D) and (R, D) unit rows -> (M, R)."""
    cover: np.ndarray = np.exp(KERNEL * (np.minimum(left @ right.T, 1) - 1))
    return cover


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of some rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    picked: np.ndarray = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    return picked


def question_table(
    identifiers: Sequence[str], texts: Sequence[str], posterior: np.ndarray, rows: np.ndarray, hierarchy: Hierarchy
) -> pd.DataFrame:
    """Tabulate the documents to ask for, with the two likeliest classes as they stand.

    Args:
        identifiers: of the N documents.
        texts: of the N documents.
        posterior: (N, E).
        rows: of the documents to ask for.
        hierarchy: with E leaves.
    """
    ids = [hierarchy.ids[leaf] for leaf in hierarchy.leaves]
    labels = [hierarchy.labels[leaf] for leaf in hierarchy.leaves]
    ranked = np.argsort(-posterior[rows], axis=1, kind="stable")
    table = {"doc_id": [identifiers[row] for row in rows], "text": [texts[row][:SHOWN_CHARACTERS] for row in rows]}
    for place, name in enumerate(("likely", "second")[: posterior.shape[1]]):
        columns = ranked[:, place]
        table[f"{name}_id"] = [ids[column] for column in columns]
        table[name] = [labels[column] for column in columns]
        table[f"{name}_probability"] = posterior[rows, columns]
    return pd.DataFrame(table)
