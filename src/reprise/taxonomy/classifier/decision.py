"""From scores to a set of classes: one rule for every classifier, zero-shot or trained.

The scores of the leaves are read as the distribution of a document's one true path. Of a few candidate sets - the
paths to the best leaf, to the best two, three, four, and the best path cut short at an inner class - the rule takes
the one with the highest expected example-F1 under that distribution (the decision theory of Dembczynski et al., "An
exact algorithm for F-measure maximization", NIPS 2011, over candidates instead of over all sets). Mass that is spread
over two leaves gives two paths, and mass that is spread over all children of a class gives the class alone.

A document whose evidence, its best cosine to a class's name, is no higher than chance gives it with classes of other
branches is about none of the classes (`none_threshold`).
"""

import numpy as np

from reprise.taxonomy.data.hierarchy import Hierarchy

MOST_PATHS = 4
BLOCK = 4096  # documents at once
ROUNDING = 1e-6  # of an expected F1: differences up to it decide nothing
NULL_QUANTILE = 0.25  # of the null scores, below which the share of documents about none is measured
GRID = 60  # scores at which densities are compared
DENSITY_DOCUMENTS = 4000  # are enough to estimate a density


def predict_sets(
    scores: np.ndarray, evidence: np.ndarray, evidence_threshold: float, hierarchy: Hierarchy
) -> np.ndarray:
    """Choose each document's classes.

    Args:
        scores: (N, E) of the leaves, not negative; each row is scaled to sum to 1.
        evidence: (N,) best score of each document, on the scale of the threshold.
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
    best_sets, best_value = best_cut_paths(masses, order[:, 0], paths, lengths, hierarchy)
    reached = np.zeros_like(best_sets)
    for place in range(order.shape[1]):
        reached = reached | paths[order[:, place]]
        overlaps = reached.astype(np.float32) @ paths.T.astype(np.float32)  # (n, E)
        sizes = reached.sum(axis=1, dtype=np.float32)[:, None]
        value = (masses * 2 * overlaps / (sizes + lengths)).sum(axis=1)
        better = value > best_value + ROUNDING
        best_sets[better], best_value[better] = reached[better], value[better]
    return best_sets


def best_cut_paths(
    masses: np.ndarray, best: np.ndarray, paths: np.ndarray, lengths: np.ndarray, hierarchy: Hierarchy
) -> tuple[np.ndarray, np.ndarray]:
    """The path to each document's best leaf, cut short at the depth of the highest expected example-F1.

    All cuts of one leaf's path are compared at once, since a hierarchy may be as deep as it has classes.

    Args:
        masses: (n, E), rows sum to 1.
        best: (n,) each document's best leaf, as an index of leaves.
        paths: (E, C) bool, the leaves and their ancestors.
        lengths: (E,) classes of each path.
        hierarchy: C classes.

    Returns:
        The sets (n, C) bool, and their expected example-F1 (n,); empty sets of value -1 where no path is cut.
    """
    sets, values = np.zeros((len(masses), paths.shape[1]), dtype=bool), np.full(len(masses), -1.0)
    depths = np.arange(1, int(hierarchy.depths.max()))  # (K,)
    for leaf in np.unique(best) if len(depths) else []:
        rows = np.flatnonzero(best == leaf)
        on_path = np.flatnonzero(paths[leaf])
        on_path = on_path[np.argsort(hierarchy.depths[on_path], kind="stable")]  # (P,), from the top
        sizes = np.searchsorted(hierarchy.depths[on_path], depths, side="right")  # (K,) classes of each cut
        overlaps = paths[:, on_path].cumsum(axis=1, dtype=np.float32)[:, sizes - 1]  # (E, K)
        f1 = 2 * overlaps / (sizes.astype(np.float32) + lengths[:, None])  # (E, K)
        expected = masses[rows] @ f1  # (rows, K)
        # Of cuts that are equal but for rounding, the highest, which is the smallest set.
        cut = (expected >= expected.max(axis=1, keepdims=True) - ROUNDING).argmax(axis=1)
        sets[rows] = paths[leaf] & (hierarchy.depths <= depths[cut][:, None])
        values[rows] = expected[np.arange(len(rows)), cut]
    return sets, values


def none_threshold(scores: np.ndarray, hierarchy: Hierarchy, odds: float) -> float:
    """Find the evidence below which a document is taken to be about none of the classes.

    The scores of documents about none are estimated from the documents themselves, by their best score among the leaves
    that share no ancestor with their best leaf, as if its branch were missing from the hierarchy (null scores). Few
    documents about a class score as low as the lower quarter of the null scores. So the share of documents there bounds
    the share of documents about none. The threshold is the score at which the ratio of the two densities, weighted with
    this share, passes `odds`.

    Args:
        scores: (N, E) of the training documents and the leaves; NaN: never scored.
        hierarchy: C classes.
        odds: probability of being about none from which on a document is taken to be; 1: none ever is.

    Returns:
        A finite threshold; where no document is refused, it is lower than any score.
    """
    from scipy.stats import gaussian_kde

    never = -float(np.finfo(np.float32).max)
    paths = hierarchy.closure[hierarchy.leaves]  # (E, C)
    shared = paths[:, ~paths.all(axis=0)].astype(np.float32)  # without roots above all leaves, which relate everything
    related = (shared @ shared.T > 0) | np.eye(len(paths), dtype=bool)  # (E, E)
    if odds >= 1 or related.all():
        return never
    found, null = _best_and_null(scores, related)
    share = min(1.0, float(np.mean(found < np.quantile(null, NULL_QUANTILE))) / NULL_QUANTILE)
    if min(np.ptp(found), np.ptp(null)) < 1e-9 or share == 0:  # no density of values that are all the same
        return never
    grid = np.linspace(min(found.min(), null.min()), found.max(), GRID)
    step = max(1, len(found) // DENSITY_DOCUMENTS)
    density, null_density = (gaussian_kde(values[::step])(grid) for values in (found, null))
    ratio = share * null_density / np.maximum(density, 1e-12)
    ratio = np.maximum.accumulate(ratio[::-1])[::-1]  # the lower the score, the likelier none
    above = np.flatnonzero(ratio > odds)
    return float(grid[above[-1]]) if len(above) else never


def _best_and_null(scores: np.ndarray, related: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best score of each document, (N,), and its best one among the leaves unrelated to the best, (up to N,)."""
    found, null = [], []
    for start in range(0, len(scores), BLOCK):
        block = np.nan_to_num(np.asarray(scores[start : start + BLOCK], dtype=np.float64), nan=-np.inf)
        best = block.argmax(axis=1)
        found.append(block.max(axis=1))
        null.append(np.where(related[best], -np.inf, block).max(axis=1))
    found_all, null_all = np.concatenate(found), np.concatenate(null)
    return found_all[np.isfinite(found_all)], null_all[np.isfinite(null_all)]
