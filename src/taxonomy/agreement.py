"""How good is a labelling of documents, without a true label to ask? As good as two views of it agree.

A classifier that reads embeddings has labelled the documents; a naive Bayes classifier that reads words (Rennie et al.,
"Tackling the Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003) learns these labels on one half of the
documents and predicts them on the other. Labels that are about something are predictable from the words, and Cohen's
kappa takes off what chance would give, so that putting everything into one class scores nothing.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import cohen_kappa_score
from sklearn.naive_bayes import ComplementNB

from src.common.seed import derive_seed


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

    def agreement(self, labels: np.ndarray) -> float:
        """Cohen's kappa of labels (N,) and what the words say of them: 1 for perfect agreement, 0 for chance."""
        if self.words is None:
            return 0.0
        predicted = np.empty_like(labels)
        for learn, ask in (self.halves, self.halves[::-1]):
            predicted[ask] = ComplementNB().fit(self.words[learn], labels[learn]).predict(self.words[ask])
        if len(np.unique(labels)) == 1:
            return 0.0  # everything in one class: nothing to agree on
        return float(cohen_kappa_score(labels, predicted))
