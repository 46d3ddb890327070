"""Nearest neighbours among a random subset of the documents, so that time and memory grow linearly with documents."""

import numpy as np
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors


def neighbour_weights(documents: np.ndarray, reference: np.ndarray, neighbours: int) -> csr_array:
    """Weights (N, M) of each document's nearest reference documents, itself left out.

    A neighbour's weight is its cosine; rows sum to 1, or to 0 where there is no other document.

    Args:
        documents: (N, D) unit rows.
        reference: (M,) rows of the reference documents.
        neighbours: how many of them.
    """
    count = min(neighbours + 1, len(reference))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(documents[reference])
    distances, columns = search.kneighbors(documents)  # (N, k + 1), nearest first
    cosines = np.maximum(1 - 0.5 * np.square(distances), 1e-6).astype(np.float32)
    cosines[reference[columns] == np.arange(len(documents))[:, None]] = 0
    if count == neighbours + 1:
        cosines[(cosines > 0).all(axis=1), -1] = 0  # whoever is not in the reference has one neighbour too many
    totals = cosines.sum(axis=1, keepdims=True)
    cosines /= np.where(totals > 0, totals, 1)
    pointers = np.arange(0, cosines.size + 1, count)
    return csr_array((cosines.ravel(), columns.ravel(), pointers), shape=(len(documents), len(reference)))
