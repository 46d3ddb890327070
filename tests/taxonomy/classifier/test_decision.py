import itertools
import time

import numpy as np
import pytest

from reprise.taxonomy.classifier.decision import best_expected_sets, none_threshold, predict_sets
from reprise.taxonomy.data.hierarchy import Hierarchy
from tests.taxonomy.hierarchies import random_hierarchy, tree

# food (0) > tea (1), coffee (2), cocoa (3); toys (4) > ball (5)
SHOP = Hierarchy(tuple("012345"), tuple("abcdef"), ((),) * 6, ((0, 1), (0, 2), (0, 3), (4, 5)))


def expected_f1(chosen: np.ndarray, masses: np.ndarray, hierarchy: Hierarchy) -> float:
    total = 0.0
    for mass, leaf in zip(masses, hierarchy.leaves, strict=True):
        path = hierarchy.closure[leaf]
        total += mass * 2 * (path & chosen).sum() / (path.sum() + chosen.sum())
    return total


@pytest.mark.parametrize(
    ("masses", "expected"),
    [
        ([0.9, 0.05, 0.03, 0.02], [0, 1]),  # one path
        ([0.5, 0.0, 0.0, 0.5], [0, 1, 4, 5]),  # two topics
        ([0.3, 0.3, 0.3, 0.1], [0]),  # some food, no telling which
        ([0.0, 0.0, 0.0, 1.0], [4, 5]),
    ],
)
def test_masses_say_how_far_down_and_how_many_paths(masses, expected):
    assert np.flatnonzero(best_expected_sets(np.array([masses], dtype=np.float32), SHOP)[0]).tolist() == expected


@pytest.mark.parametrize("seed", range(4))
def test_no_candidate_is_expected_to_do_better(seed):
    hierarchy = tree(3, 2) if seed % 2 else random_hierarchy(seed)
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.full(len(hierarchy.leaves), 0.4), size=12).astype(np.float32)
    sets = best_expected_sets(scores, hierarchy)
    assert np.array_equal(hierarchy.close_upwards(sets), sets)
    for row in range(12):
        own = expected_f1(sets[row], scores[row], hierarchy)
        order = np.argsort(-scores[row], kind="stable")
        for count in range(1, min(4, len(order)) + 1):
            paths = hierarchy.closure[hierarchy.leaves[order[:count]]].any(axis=0)
            assert expected_f1(paths, scores[row], hierarchy) <= own + 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_the_best_cut_of_the_best_path_is_found(seed):
    hierarchy = tree(3, 3) if seed % 2 else random_hierarchy(seed, 16)
    masses = np.random.default_rng(seed).dirichlet(np.full(len(hierarchy.leaves), 0.5), size=20).astype(np.float32)
    sets = best_expected_sets(masses, hierarchy)
    for row in range(20):
        path = hierarchy.closure[hierarchy.leaves[masses[row].argmax()]]
        for depth in range(1, hierarchy.depths.max()):
            cut = path & (hierarchy.depths <= depth)
            assert expected_f1(cut, masses[row], hierarchy) <= expected_f1(sets[row], masses[row], hierarchy) + 1e-5


def test_sets_are_closed_where_a_class_has_parents_at_different_depths():
    # A (0) > c (5); R (1) > M (2) > P (3) > Q (4) > c; M > d1, d2, d3 (6, 7, 8)
    edges = ((0, 5), (1, 2), (2, 3), (3, 4), (4, 5), (2, 6), (2, 7), (2, 8))
    hierarchy = Hierarchy(tuple("012345678"), tuple("ARMPQcdef"), ((),) * 9, edges)
    assert hierarchy.depths.tolist() == [1, 1, 2, 3, 4, 5, 3, 3, 3]
    scores = np.random.default_rng(0).dirichlet(np.full(len(hierarchy.leaves), 0.5), size=2000).astype(np.float32)
    sets = best_expected_sets(scores, hierarchy)
    assert np.array_equal(hierarchy.close_upwards(sets), sets)


def test_a_thousand_levels_take_no_time():
    count = 2000  # a chain of classes, each with a leaf beside the next
    edges = tuple((number, number + 1) for number in range(count // 2 - 1))
    edges += tuple((number, count // 2 + number) for number in range(count // 2))
    ids = tuple(str(number) for number in range(count))
    hierarchy = Hierarchy(ids, ids, ((),) * count, edges)
    scores = np.random.default_rng(0).dirichlet(np.full(len(hierarchy.leaves), 0.4), size=20).astype(np.float32)
    started = time.process_time()
    assert best_expected_sets(scores, hierarchy).any(axis=1).all()
    assert time.process_time() - started < 10


def test_against_all_sets_of_a_small_hierarchy():
    generator = np.random.default_rng(0)
    for masses in generator.dirichlet(np.full(4, 0.3), size=20).astype(np.float32):
        own = expected_f1(best_expected_sets(masses[None], SHOP)[0], masses, SHOP)
        every = (np.array(bits, dtype=bool) for bits in itertools.product([0, 1], repeat=6) if any(bits))
        best = max(expected_f1(chosen, masses, SHOP) for chosen in every)
        assert own > best - 0.05  # the few candidates lose little to the search over all sets


def test_scores_need_not_sum_to_one():
    scores = np.array([[0.2, 0.1, 0.05, 0.3]], dtype=np.float32)
    assert np.array_equal(best_expected_sets(scores, SHOP), best_expected_sets(7 * scores, SHOP))


def test_little_evidence_means_no_class():
    scores = np.array([[1, 0, 0, 0], [1, 0, 0, 0]], dtype=np.float32)
    sets = predict_sets(scores, np.array([0.2, 0.9]), 0.5, SHOP)
    assert sets.any(axis=1).tolist() == [False, True]


@pytest.mark.parametrize("hierarchy", [tree(5, 2), Hierarchy(tuple("0123456789"), tuple("0123456789"), ((),) * 10, ())])
def test_documents_about_none_are_told_by_what_other_branches_score(hierarchy):
    generator = np.random.default_rng(0)
    leaves = len(hierarchy.leaves)
    scores = generator.normal(0.0, 0.05, (3000, leaves))
    about = np.arange(3000) < 2700
    scores[np.arange(2700), generator.integers(0, leaves, 2700)] += 0.6
    threshold = none_threshold(scores, hierarchy, 0.5)
    refused = scores.max(axis=1) < threshold
    assert refused[~about].mean() > 0.5
    assert refused[about].mean() < 0.01
    clean = scores[about]
    assert (clean.max(axis=1) < none_threshold(clean, hierarchy, 0.5)).mean() < 0.005  # costs nothing without them


def test_none_can_be_switched_off_and_needs_unrelated_classes():
    scores = np.random.default_rng(0).random((50, 4))
    assert none_threshold(scores, SHOP, 1.0) < -1e30
    chain = Hierarchy(("0", "1"), ("a", "b"), ((), ()), ((0, 1),))
    assert none_threshold(scores[:, :1], chain, 0.7) < -1e30
    assert none_threshold(np.full((50, 4), 0.3) + 1e-12 * scores, SHOP, 0.5) < -1e30  # no spread, no density
    scores[:10] = np.nan
    assert np.isfinite(none_threshold(scores, SHOP, 0.5))
