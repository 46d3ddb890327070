"""The top-down search for the classes that a document may be about.

Shen et al., "TaxoClass", NAACL 2021, section 3.2. The root's 2 best children stay; a class on level l proposes its
l + 2 best children; of those proposed for level l the best (l + 1)^2 stay, by path score
ps(c) = max over c's kept parents p of ps(p) sim(c), with ps(root) = 1.
"""

from collections.abc import Callable, Sequence

import numpy as np

from reprise.taxonomy.data.hierarchy import Hierarchy

LevelScorer = Callable[[np.ndarray], np.ndarray]


def search_top_down(hierarchy: Hierarchy, documents: int, score: LevelScorer) -> np.ndarray:
    """Find each document's candidate classes.

    Args:
        hierarchy: C classes.
        documents: N.
        score: (N, C) bool, the pairs whose similarity is needed now -> (N, C) similarities of the pairs asked for so
            far; called once a level.

    Returns:
        (N, C) bool: the classes that stayed, on any level.
    """
    met = np.zeros((documents, len(hierarchy)), dtype=bool)
    stayed = np.zeros_like(met)
    paths = np.ones((documents, 1), dtype=np.float32)  # path scores of the classes kept on the level above
    kept: Sequence[int] = [-1]  # their columns; -1 is the root
    level = 0
    while kept:
        needed = np.zeros_like(met)
        for column, node in enumerate(kept):
            needed[np.ix_(paths[:, column] > 0, np.array(_children(hierarchy, node), dtype=int))] = True
        similarity = score(needed & ~met)
        met |= needed
        proposed = _propose(hierarchy, kept, paths, similarity, level + 2)
        best = _largest(proposed, (level + 2) ** 2) & ~stayed
        stayed |= best
        kept = np.flatnonzero(best.any(axis=0)).tolist()
        paths = np.where(best, proposed, 0)[:, kept]
        level += 1
    return stayed


def _children(hierarchy: Hierarchy, node: int) -> Sequence[int]:
    return hierarchy.roots if node == -1 else hierarchy.children[node]


def _propose(
    hierarchy: Hierarchy, kept: Sequence[int], paths: np.ndarray, similarity: np.ndarray, count: int
) -> np.ndarray:
    """Path scores (N, C) of the children that the kept classes propose; 0 where none does."""
    proposed = np.zeros(similarity.shape, dtype=np.float32)
    for column, node in enumerate(kept):
        children = list(_children(hierarchy, node))
        if not children:
            continue
        rows = np.flatnonzero(paths[:, column] > 0)
        block = np.ix_(rows, np.array(children))
        # A path score of 0 would mean: not proposed. Probabilities and cosines of candidates lie above it.
        own = np.maximum(similarity[block], np.finfo(np.float32).tiny)  # (n, children)
        scores = np.where(_largest(own, count), own, 0) * paths[rows, column, None]
        proposed[block] = np.maximum(proposed[block], scores)
    return proposed


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Mask of each row's `count` largest positive values; of equal ones the first."""
    if values.shape[1] <= count:
        return values > 0
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    mask = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(mask, order, True, axis=1)
    return mask & (values > 0)
