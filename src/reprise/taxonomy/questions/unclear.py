"""Classes whose names are unclear, so that a person should describe them; found without a label.

`doubt` is the share of a class's documents that the refined posterior expects in other classes. docs/taxonomy.md says
how well it finds the classes that the method gets wrong.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

from reprise.taxonomy.data.hierarchy import Hierarchy

EXAMPLES = 5
WORDS = 6
MOST_WORDS = 20_000  # the most frequent ones can tell
SHOWN_CHARACTERS = 160
CLASSES_AT_ONCE = 64  # bounds the memory of word counts


class Doubts(NamedTuple):
    """What speaks against each of E leaf classes.

    Attributes:
        doubt: (E,) from 0 to 1, expected share of the class's documents that belong to other classes.
        rival: (E,) the class that most of this share goes to; -1 where there is none.
        came: (E,) share of the class's documents that zero-shot placed elsewhere.
        left: (E,) share of its zero-shot documents that left.
    """

    doubt: np.ndarray
    rival: np.ndarray
    came: np.ndarray
    left: np.ndarray


def find_doubts(zero_shot: np.ndarray, posterior: np.ndarray) -> Doubts:
    """Compare the zero-shot with the refined posterior, both (N, E); rows of zeros say nothing.

    Doubt is 1 - sum p^2 / sum p over the documents: draw one that is about the class, in proportion to p; this is the
    chance that a second opinion, drawn from the document's posterior, names another class. Without documents it is 1.
    """
    said = posterior.any(axis=1)
    zero_shot, posterior = zero_shot[said], posterior[said]
    classes = posterior.shape[1]
    shared = posterior.T @ posterior  # (E, E)
    mass = posterior.sum(axis=0)
    doubt = 1 - np.divide(np.diag(shared), mass, out=np.zeros(classes), where=mass > 0)
    np.fill_diagonal(shared, 0)
    rival = np.where(shared.any(axis=1), shared.argmax(axis=1), -1)
    before, now = zero_shot.argmax(axis=1), posterior.argmax(axis=1)
    both = np.bincount(now[before == now], minlength=classes)
    came, left = (1 - both / np.maximum(np.bincount(labels, minlength=classes), 1) for labels in (now, before))
    return Doubts(np.clip(doubt, 0, 1), rival, came, left)


def telling_words(texts: Sequence[str], posterior: np.ndarray, count: int = WORDS) -> list[list[str]]:
    """The words that speak most for each of E classes, against all others.

    Log-odds ratios with the corpus as their prior, in standard deviations (Monroe, Colaresi and Quinn, "Fightin'
    Words", Political Analysis 2008, equation 22).

    Args:
        texts: N documents.
        posterior: (N, E).
        count: of words at most.
    """
    try:
        words = CountVectorizer(max_features=MOST_WORDS, binary=True, dtype=np.float32)
        counts = csr_array(words.fit_transform(texts))  # (N, V)
    except ValueError:  # scikit-learn's way to say that no text holds a word
        return [[] for _ in range(posterior.shape[1])]
    names, total = words.get_feature_names_out(), np.asarray(counts.sum(axis=0), dtype=np.float64)  # (V,)
    found = []
    for start in range(0, posterior.shape[1], CLASSES_AT_ONCE):
        inside = (counts.T @ posterior[:, start : start + CLASSES_AT_ONCE]).astype(np.float64)  # (V, e)
        for own in inside.T:
            scores = _log_odds(own, total - own, total)
            best = np.argsort(-scores, kind="stable")[:count]
            found.append([str(names[word]) for word in best if scores[word] > 0])
    return found


def _log_odds(inside: np.ndarray, outside: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Standard scores (V,) of words' log-odds inside against outside, from counts (V,); the prior weighs one word."""
    prior = prior / prior.sum()
    first, second = inside + prior, np.maximum(outside, 0) + prior
    odds = np.log(first / (first.sum() - first + 1e-9)) - np.log(second / (second.sum() - second + 1e-9))
    return odds / np.sqrt(1 / first + 1 / second)


def examples(texts: Sequence[str], posterior: np.ndarray, column: int) -> list[str]:
    """Texts of a class, from the surest to the least sure at even steps: what it has gathered so far."""
    rows = np.flatnonzero(posterior.argmax(axis=1) == column)
    rows = rows[np.argsort(-posterior[rows, column], kind="stable")]
    places = np.unique(np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).astype(int))
    return [texts[row][:SHOWN_CHARACTERS] for row in rows[places]]


def unclear_table(
    texts: Sequence[str], zero_shot: np.ndarray, posterior: np.ndarray, hierarchy: Hierarchy
) -> pd.DataFrame:
    """Tabulate all E leaf classes, the most doubtful first.

    Args:
        texts: N training documents.
        zero_shot: (N, E).
        posterior: (N, E), refined.
        hierarchy: with E leaves.
    """
    doubts, words = find_doubts(zero_shot, posterior), telling_words(texts, posterior)
    labelled = np.where(posterior.any(axis=1), posterior.argmax(axis=1), -1)
    labels = [hierarchy.labels[leaf] for leaf in hierarchy.leaves]
    rows = []
    for column in np.argsort(-doubts.doubt, kind="stable"):
        shown = examples(texts, posterior, column) if (labelled == column).any() else []
        rows.append(
            {
                "id": hierarchy.ids[hierarchy.leaves[column]],
                "class": labels[column],
                "doubt": doubts.doubt[column],
                "mistaken_for": labels[doubts.rival[column]] if doubts.rival[column] >= 0 else "",
                "documents": int((labelled == column).sum()),
                "came": doubts.came[column],
                "left": doubts.left[column],
                "words": " ".join(words[column]),
                **{f"example_{number + 1}": (shown[number : number + 1] or [""])[0] for number in range(EXAMPLES)},
            }
        )
    return pd.DataFrame(rows)
