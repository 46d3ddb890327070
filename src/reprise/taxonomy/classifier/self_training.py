"""Self-training without a label: targets made from predictions, and a measure of how good predictions are.

The measure is the mutual information of two views. A classifier that reads embeddings has labelled the documents; a
naive Bayes classifier that reads words (Rennie et al., "Tackling the Poor Assumptions of Naive Bayes Text Classifiers",
ICML 2003) learns these labels on one half of the documents and predicts them on the other. The more the labels say
about the texts, the better they are predicted from words, and the higher the mutual information. Merging classes makes
labels easier to predict but lowers it, unlike a share of equal labels or Cohen's kappa, which both rise.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import mutual_info_score
from sklearn.naive_bayes import ComplementNB
from sklearn.neighbors import NearestNeighbors

from reprise.core.seed import derive_seed


class WordView:
    """The words of N documents, in two random halves.

    Args:
        texts: N documents.
        seed: draws the halves.
    """

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        try:
            self.words = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(texts)  # (N, V)
        except ValueError:  # scikit-learn's way to say that no text holds a word
            self.words = None
        order = np.random.default_rng(derive_seed(seed, "word view")).permutation(len(texts))
        self.halves = np.array_split(order, 2)

    def mutual_information(self, labels: np.ndarray) -> float:
        """Mutual information of labels (N,) and those predicted from the words, in nats."""
        if self.words is None or any(len(half) == 0 for half in self.halves):
            return 0.0
        predicted = np.empty_like(labels)
        for learn, ask in (self.halves, self.halves[::-1]):
            predicted[ask] = ComplementNB().fit(self.words[learn], labels[learn]).predict(self.words[ask])
        return float(mutual_info_score(labels, predicted))


def paper_targets(probabilities: np.ndarray) -> np.ndarray:
    """TaxoClass, equation 7: (N, C) -> (N, C).

    q = (p^2 / sum_i p) / (p^2 / sum_i p + (1 - p)^2 / sum_i (1 - p)).
    """
    p = probabilities.astype(np.float64)
    inside, outside = np.square(p) / p.sum(axis=0), np.square(1 - p) / np.maximum((1 - p).sum(axis=0), 1e-12)
    return (inside / (inside + outside)).astype(np.float32)


def neighbour_targets(probabilities: np.ndarray, weights: csr_array, voters: np.ndarray) -> np.ndarray:
    """Half a document's own probabilities, half those of its nearest voters: (N, C) -> (N, C).

    Args:
        probabilities: (N, C).
        weights: (N, M), as `neighbour_weights` makes them.
        voters: (M,) rows of the documents that vote.
    """
    return (0.5 * probabilities + 0.5 * (weights @ probabilities[voters])).astype(np.float32)


def draw_voters(documents: int, most: int, seed: int) -> np.ndarray:
    """Draw the rows (M,) of a random subset of the documents, so that time and memory grow linearly with documents."""
    generator = np.random.default_rng(derive_seed(seed, "self-training voters"))
    return np.sort(generator.choice(documents, min(most, documents), replace=False))


def neighbour_weights(documents: np.ndarray, voters: np.ndarray, neighbours: int) -> csr_array:
    """Weights (N, M) of each document's nearest voters, itself left out.

    A voter's weight is its cosine. Rows sum to 1, or to 0 where there is no other document.

    Args:
        documents: (N, D) unit rows.
        voters: (M,) rows of the documents that vote.
        neighbours: voters to a document.
    """
    count = min(neighbours + 1, len(voters))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(documents[voters])
    distances, columns = search.kneighbors(documents)  # (N, k + 1), nearest first
    cosines = np.maximum(1 - 0.5 * np.square(distances), 1e-6).astype(np.float32)
    cosines[voters[columns] == np.arange(len(documents))[:, None]] = 0
    if count == neighbours + 1:
        cosines[(cosines > 0).all(axis=1), -1] = 0  # a document that is no voter itself has found one too many
    totals = cosines.sum(axis=1, keepdims=True)
    cosines /= np.where(totals > 0, totals, 1)
    pointers = np.arange(0, cosines.size + 1, count)
    return csr_array((cosines.ravel(), columns.ravel(), pointers), shape=(len(documents), len(voters)))
