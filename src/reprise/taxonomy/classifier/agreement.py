"""How good is a labelling of documents, without a true label to ask? As much as two views of them share.

A classifier that reads embeddings has labelled the documents; a naive Bayes classifier that reads words (Rennie et al.,
"Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003) learns these labels on one half of the
documents and predicts them on the other. Labels that are about something are predictable from the words, and the mutual
information of the two is high. Merging classes makes labels easier to predict but lowers it, unlike a share of equal
labels or Cohen's kappa, which both rise.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import mutual_info_score
from sklearn.naive_bayes import ComplementNB

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

    def shared_information(self, labels: np.ndarray) -> float:
        """Mutual information of labels (N,) and what the words say of them, in nats."""
        if self.words is None or any(len(half) == 0 for half in self.halves):
            return 0.0
        predicted = np.empty_like(labels)
        for learn, ask in (self.halves, self.halves[::-1]):
            predicted[ask] = ComplementNB().fit(self.words[learn], labels[learn]).predict(self.words[ask])
        return float(mutual_info_score(labels, predicted))
