"""From scores to a set of classes: one rule for every classifier, zero-shot or trained.

The scores of the leaves are read as the distribution of a document's one true path. Of a few candidate sets - the
paths to the best leaf, to the best two, three, four, and the best path cut short at an inner class - the rule takes
the one with the highest expected example-F1 under that distribution (the decision theory of Dembczynski et al., "An
exact algorithm for F-measure maximization", NIPS 2011, over candidates instead of over all sets). Mass that is spread
over two leaves so gives two paths, and mass that is spread over all children of a class gives the class alone.

A document that fits no class about as well as the training documents fit theirs is about none of the classes: its
evidence, the best raw score, lies far below theirs.
"""

import numpy as np

from src.taxonomy.hierarchy import Hierarchy

MOST_PATHS = 4
BLOCK = 4096  # documents at once
MAD_TO_DEVIATION = 1.4826  # of a normal distribution


def predict_sets(
    scores: np.ndarray, evidence: np.ndarray, evidence_threshold: float, hierarchy: Hierarchy
) -> np.ndarray:
    """Choose each document's classes.

    Args:
        scores: (N, E) of the leaves, not negative; each row is scaled to sum to 1.
        evidence: (N,) best raw score of each document.
        evidence_threshold: documents below it are about none of the classes.
        hierarchy: C classes.

    Returns:
        (N, C) bool, closed under ancestors.
    """
    sets = np.zeros((len(scores), len(hierarchy)), dtype=bool)
    for start in range(0, len(scores), BLOCK):
        block = slice(start, start + BLOCK)
        sets[block] = best_expected_sets(np.asarray(scores[block], dtype=np.float32), hierarchy)
    sets[evidence < evidence_threshold] = False
    return sets


def best_expected_sets(scores: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """The candidate set of the highest expected example-F1, (n, E) -> (n, C); of equal ones the smaller."""
    paths = hierarchy.closure[hierarchy.leaves]  # (E, C)
    lengths = paths.sum(axis=1).astype(np.float32)  # (E,)
    masses = scores / np.maximum(scores.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    order = np.argsort(-masses, axis=1, kind="stable")[:, :MOST_PATHS]
    best_sets, best_value = np.zeros((len(scores), len(hierarchy)), dtype=bool), np.full(len(scores), -1.0)
    for sets in candidate_sets(order, hierarchy):
        overlaps = sets.astype(np.float32) @ paths.T.astype(np.float32)  # (n, E)
        sizes = sets.sum(axis=1, dtype=np.float32)[:, None]
        value = (masses * 2 * overlaps / (sizes + lengths)).sum(axis=1)
        better = value > best_value + 1e-6  # so that rounding does not choose
        best_sets[better], best_value[better] = sets[better], value[better]
    return best_sets


def candidate_sets(order: np.ndarray, hierarchy: Hierarchy) -> list[np.ndarray]:
    """Candidates (n, C) from the best leaves (n, k), as indices of leaves: smaller sets first."""
    paths = hierarchy.closure[hierarchy.leaves]
    best_leaf = hierarchy.leaves[order[:, 0]]
    # The best path cut at a level: its classes on that level and above.
    cuts = range(1, int(hierarchy.levels.max()))
    candidates = [hierarchy.closure[best_leaf] & (hierarchy.levels <= level) for level in cuts]
    reached = np.zeros_like(paths[order[:, 0]])
    for place in range(order.shape[1]):
        reached = reached | paths[order[:, place]]
        candidates.append(reached)
    return candidates


def evidence_threshold(evidence: np.ndarray, deviations: float) -> float:
    """The evidence below which a document is about none of the classes.

    Args:
        evidence: (N,) of the training documents.
        deviations: how many robust standard deviations (from the median absolute deviation) below their median;
            0: no document is ever about none.
    """
    if deviations == 0:
        return -float(np.finfo(np.float32).max)
    median = float(np.median(evidence))
    spread = MAD_TO_DEVIATION * float(np.median(np.abs(evidence - median)))
    return median - deviations * spread
