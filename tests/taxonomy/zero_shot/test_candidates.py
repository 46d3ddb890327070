import numpy as np
import pytest

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.candidates import search_top_down
from reprise.taxonomy.zero_shot.entailment import search_scores
from tests.taxonomy.hierarchies import random_hierarchy, tree


def naive_search(hierarchy: Hierarchy, similarity: np.ndarray) -> set[int]:
    """The paper's search for one document, spelled out."""
    kept, stayed, level = {-1: 1.0}, set(), 0
    while kept:
        scores: dict[int, float] = {}
        for node, path_score in kept.items():
            children = list(hierarchy.roots if node == -1 else hierarchy.children[node])
            children.sort(key=lambda child: (-similarity[child], child))
            for child in children[: level + 2]:
                scores[child] = max(scores.get(child, 0.0), path_score * similarity[child])
        best = sorted(scores, key=lambda child: (-scores[child], child))[: (level + 2) ** 2]
        kept = {child: scores[child] for child in best if child not in stayed}
        stayed |= set(kept)
        level += 1
    return stayed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["tree", "graph"])
def test_the_search_against_the_papers_words(seed, kind):
    hierarchy = tree(4, 3) if kind == "tree" else random_hierarchy(seed, 20)
    similarity = np.random.default_rng(seed).random((10, len(hierarchy))).astype(np.float32)
    stayed = search_top_down(hierarchy, 10, lambda needed: similarity)
    for row in range(10):
        assert set(np.flatnonzero(stayed[row])) == naive_search(hierarchy, similarity[row])


def test_a_document_meets_tens_of_classes_and_not_all():
    hierarchy = tree(8, 3)  # 584 classes
    calls: list[int] = []

    def score(pairs):
        calls.append(len(pairs))
        return np.array([(int(text) * 31 + int(name) * 17) % 101 / 101 for text, name in pairs])

    scores = search_scores(["1", "2", "3"], hierarchy.names, hierarchy, score)
    scored = ~np.isnan(scores)
    # 8 roots; the children of the 2 best; of 2 x 3 proposed classes the best 9 stay: the children of all 6
    assert scored.sum(axis=1).tolist() == [8 + 2 * 8 + 6 * 8] * 3
    assert calls == [24, 48, 144]


def test_every_pair_of_a_flat_list_is_scored():
    hierarchy = Hierarchy(("0", "1", "2"), ("a", "b", "c"), ((),) * 3, ())
    scores = search_scores(["x"], ["a", "b", "c"], hierarchy, lambda pairs: np.linspace(0.1, 0.9, len(pairs)))
    assert not np.isnan(scores).any()
