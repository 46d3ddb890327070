import numpy as np
import pytest

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.core_classes import (
    RefinedParams,
    confidence_over_relatives,
    core_statistics,
    paper_core_classes,
    refined_core_classes,
    share_among_leaves,
    zero_shot_posterior,
)
from reprise.taxonomy.zero_shot.refine import normalise
from tests.conftest import read_params
from tests.taxonomy.hierarchies import random_hierarchy, tree
from tests.taxonomy.zero_shot.test_candidates import naive_search

PARAMS = RefinedParams(**read_params()["taxonomy"]["core_classes"]["refined"])
DIAMOND = Hierarchy(("0", "1", "2", "3", "4"), tuple("abcde"), ((),) * 5, ((0, 1), (0, 2), (1, 3), (2, 3)))


@pytest.mark.parametrize("seed", range(3))
def test_confidence_against_the_papers_words(seed):
    hierarchy = random_hierarchy(seed)
    similarity = np.random.default_rng(seed).random((5, len(hierarchy))).astype(np.float32)
    confidence = confidence_over_relatives(similarity, hierarchy)
    for index in range(len(hierarchy)):
        parents = [parent for parent, child in hierarchy.edges if child == index]
        if parents:
            siblings = [child for parent, child in hierarchy.edges if parent in parents and child != index]
        else:
            siblings = [root for root in hierarchy.roots if root != index]
        relatives = parents + siblings
        expected = similarity[:, index] - (similarity[:, relatives].max(axis=1) if relatives else 0)
        np.testing.assert_allclose(confidence[:, index], expected, atol=1e-6)


def test_the_papers_rule_keeps_the_upper_half_of_each_classs_candidates():
    hierarchy = tree(3, 2)
    similarity = np.random.default_rng(0).random((40, len(hierarchy))).astype(np.float32)
    core = paper_core_classes(similarity, np.zeros(similarity.shape, dtype=bool), hierarchy)
    confidence = confidence_over_relatives(similarity, hierarchy)
    candidates = np.zeros_like(core)
    for row in range(40):
        candidates[row, list(naive_search(hierarchy, similarity[row]))] = True
    for index in range(len(hierarchy)):
        own = np.sort(confidence[candidates[:, index], index])
        expected = candidates[:, index] & (confidence[:, index] >= np.median(own))
        assert np.array_equal(core[:, index], expected)


def test_pairs_that_were_never_scored_are_no_candidates():
    similarity = np.full((4, 5), np.nan, dtype=np.float32)
    similarity[:, [0, 4]] = [[0.9, 0.1], [0.8, 0.2], [0.2, 0.7], [0.1, 0.9]]
    core = paper_core_classes(similarity, np.zeros(similarity.shape, dtype=bool), DIAMOND)
    assert not core[:, 1:4].any()
    assert core[0, 0]
    assert core[3, 4]


def test_masses_of_inner_core_classes_go_to_their_leaves():
    core = np.zeros((3, 5), dtype=bool)
    core[0, [0, 4]] = True
    core[1, 3] = True
    assert share_among_leaves(core, DIAMOND).tolist() == [[0.5, 0.5], [1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("rule", ["refined", "paper"])
def test_documents_that_a_person_labelled_have_the_deepest_of_their_classes(rule):
    generator, hierarchy = np.random.default_rng(0), tree(2, 2)  # leaves 2 and 3 below 0, 4 and 5 below 1
    documents = normalise(generator.normal(size=(12, 6))).astype(np.float32)
    classes = normalise(generator.normal(size=(6, 6))).astype(np.float32)
    seeds = np.zeros((12, 6), dtype=bool)
    seeds[3, [0, 2, 5]] = True
    seeds[7, 1] = True  # about no class below it in particular
    similarity = documents @ classes.T
    if rule == "paper":
        core = paper_core_classes(similarity, seeds, hierarchy)
    else:
        core, posterior, _ = refined_core_classes(similarity, documents, classes, seeds, hierarchy, PARAMS)
        assert posterior[[3, 7]].tolist() == [[0.5, 0, 0, 0.5], [0, 0, 0.5, 0.5]]
    assert np.flatnonzero(core[3]).tolist() == [2, 5]
    assert np.flatnonzero(core[7]).tolist() == [1]
    assert core[~seeds.any(axis=1)].any()


def test_the_zero_shot_posterior_gives_nothing_to_pairs_never_scored():
    posterior = zero_shot_posterior(np.array([[0.5, np.nan, 0.5], [np.nan] * 3]), 10.0)
    np.testing.assert_allclose(posterior, [[0.5, 0, 0.5], [1 / 3] * 3], rtol=1e-6)


def test_statistics_name_the_classes_nobody_is_close_to():
    core = np.zeros((4, 5), dtype=bool)
    core[:2, 3] = True
    statistics = core_statistics(core, DIAMOND)
    assert statistics == {
        "num_core_classes": 1,
        "total_docs_with_core": 2,
        "avg_docs_per_core_class": 2.0,
        "coverage": 0.5,
        "classes_without_documents": ["e"],
    }
