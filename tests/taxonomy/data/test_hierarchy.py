import itertools
import re

import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from tests.taxonomy.hierarchies import naive_ancestors, naive_paths, random_hierarchy


@pytest.mark.parametrize("seed", range(5))
def test_random_graphs_against_recursion(seed):
    hierarchy = random_hierarchy(seed)
    for index in range(len(hierarchy)):
        ancestors = naive_ancestors(hierarchy, index)
        assert set(np.flatnonzero(hierarchy.closure[index])) == ancestors
        assert hierarchy.levels[index] == min(len(path) for path in naive_paths(hierarchy, index))
    sets = np.random.default_rng(seed).random((20, len(hierarchy))) < 0.2
    closed = hierarchy.close_upwards(sets)
    for row in range(20):
        expected = set().union(*(naive_ancestors(hierarchy, int(index)) for index in np.flatnonzero(sets[row])))
        assert set(np.flatnonzero(closed[row])) == expected
        deepest = set(np.flatnonzero(hierarchy.drop_ancestors(sets)[row]))
        below = {index for index in np.flatnonzero(sets[row]) if naive_ancestors(hierarchy, int(index)) - {index}}
        covered = set().union(*(naive_ancestors(hierarchy, int(index)) - {index} for index in below))
        assert deepest == set(np.flatnonzero(sets[row])) - covered


@pytest.mark.parametrize("seed", range(5))
def test_the_best_paths_against_all_paths(seed):
    hierarchy = random_hierarchy(seed)
    probabilities = np.random.default_rng(seed).random(len(hierarchy))
    for index in range(len(hierarchy)):
        every = sorted(naive_paths(hierarchy, index), key=lambda path: -np.prod(probabilities[list(path)]))
        assert hierarchy.best_paths(index, probabilities, 3) == every[:3]


def test_paths_through_a_million_diamonds_cost_what_their_edges_cost():
    levels = [(2 * number, 2 * number + 1) for number in range(1000)]  # 2^999 paths to each class of the last
    edges = tuple((parent, child) for above, below in itertools.pairwise(levels) for parent in above for child in below)
    ids = tuple(str(index) for index in range(2000))
    hierarchy = Hierarchy(ids, ids, ((),) * 2000, edges)
    paths = hierarchy.best_paths(1999, np.where(np.arange(2000) % 2, 0.9, 0.8), 4)
    assert len(set(paths)) == 4
    assert paths[0] == tuple(range(1, 2000, 2))


@pytest.mark.parametrize("seed", range(3))
def test_best_of_descendants_against_recursion(seed):
    hierarchy = random_hierarchy(seed)
    scores = np.random.default_rng(seed).random((6, len(hierarchy))).astype(np.float32)
    scores[0, :] = np.nan
    scores[1, ::2] = np.nan
    best = hierarchy.best_of_descendants(scores)
    for index in range(len(hierarchy)):
        below = np.flatnonzero(hierarchy.closure[:, index])
        expected = [np.nan if np.isnan(row[below]).all() else np.nanmax(row[below]) for row in scores]
        np.testing.assert_array_equal(best[:, index], np.array(expected, dtype=np.float32))


def test_thousands_of_classes_take_no_time():
    count = 5000
    edges = tuple((child // 4, child) for child in range(4, count))
    ids = tuple(str(index) for index in range(count))
    hierarchy = Hierarchy(ids, ids, ((),) * count, edges)
    assert hierarchy.closure[count - 1].sum() == len(hierarchy.best_paths(count - 1, np.ones(count), 1)[0])


def test_classes_of_one_name_are_told_apart_by_id():
    names = ("tea", "tea", "NA")
    assert Hierarchy(("a", "b", "c"), names, ((),) * 3, ()).labels == ("tea (a)", "tea (b)", "NA")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda own: own.pop("edges"), "edges: missing"),
        (lambda own: own.update(edges=[[0, 12]]), "an edge to a class that is not there"),
        (lambda own: own.update(edges=[[0, -1]]), "an edge to a class that is not there"),
        (lambda own: own.update(edges=[["0", 1]]), "edges.0.0"),
        (lambda own: own.update(edges=[[True, 1]]), "edges.0.0"),
        (lambda own: own.update(edges=[[0, 1, 2]]), "edges.0"),
        (lambda own: own.update(edges=[[0, 1], [1, 0]]), "cycle"),
        (lambda own: own.update(edges=[[0, 0]]), "to itself"),
        (lambda own: own.update(classes=[]), "classes"),
        (lambda own: own.update(classes=own["classes"] * 2), "two classes have one id"),
        (lambda own: own["classes"][0].update(name=None), "classes.0.name"),
        (lambda own: own["classes"][0].update(keywords="abc"), "classes.0.keywords"),
        (lambda own: own["classes"][0].pop("id"), "classes.0.id: missing"),
    ],
)
def test_a_strangers_description_is_checked(change, message):
    description = random_hierarchy(0).to_dict()
    change(description)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        Hierarchy.from_dict(description, "model: hierarchy")
    assert str(error.value).startswith("model: hierarchy")
    assert "\n" not in str(error.value)
