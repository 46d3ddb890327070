import tracemalloc

import numpy as np
import pytest
from PIL import Image
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedKFold

from reprise.core.errors import InputError
from reprise.documents.data import folds as module
from reprise.documents.data.folds import (
    check_folds,
    near_duplicate_groups,
    near_duplicate_pairs,
    near_duplicate_rows,
    perceptual_hash,
    plain_folds,
    stratified_folds,
)
from tests.documents.helpers import KINDS, draw_page

NAMES = ("a", "b", "c")


def page(kind, number):
    return np.asarray(draw_page(kind, number))


def test_a_copy_that_is_compressed_smaller_or_darker_is_a_near_duplicate_and_other_pages_are_not(tmp_path):
    pages = [page(kind, number) for kind in KINDS for number in range(6)]
    Image.fromarray(pages[0]).save(tmp_path / "a.jpg", quality=60)
    copies = [
        np.asarray(Image.open(tmp_path / "a.jpg")),
        np.asarray(Image.fromarray(pages[0]).resize((72, 72), Image.Resampling.BILINEAR)),
        (pages[0] * 0.8).astype(np.uint8),
    ]
    hashes = np.stack([perceptual_hash(each) for each in (*pages, *copies)])
    groups = near_duplicate_groups(hashes, 12)
    assert set(groups[len(pages) :]) == {groups[0]}
    assert len(np.unique(groups)) == len(pages)


@pytest.mark.parametrize("block", [7, 1024])
def test_pairs_equal_a_bitwise_comparison(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    generator = np.random.default_rng(0)
    left, right = (generator.integers(0, 4, (count, 32), np.uint8) for count in (40, 30))
    right[5], right[6] = left[7], left[7] ^ 1
    naive = [(i, j) for i in range(40) for j in range(30) if np.unpackbits(left[i] ^ right[j]).sum() <= 24]
    tiles = near_duplicate_pairs(left, right, 24)
    assert sorted(pair for rows, columns in tiles for pair in zip(rows, columns, strict=True)) == naive
    assert (7, 5) in naive
    assert near_duplicate_rows(left, right, 24).tolist() == sorted({i for i, _ in naive})


def test_groups_join_over_others():
    hashes = np.zeros((3, 32), np.uint8)
    hashes[1, 0], hashes[2, 0] = 0b00000111, 0b00111111
    assert near_duplicate_groups(hashes, 3).tolist() == [0, 0, 0]
    assert near_duplicate_groups(hashes, 2).tolist() == [0, 1, 2]


@pytest.mark.parametrize("block", [5, 16, 1024])
def test_groups_are_the_components_of_all_pairs_numbered_by_first_pages(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    generator = np.random.default_rng(1)
    for bits in (2, 3):
        hashes = np.zeros((60, 32), np.uint8)
        hashes[:, 5:7] = generator.integers(0, 256, (60, 2))
        hashes[generator.integers(0, 60, 15)] = hashes[generator.integers(0, 60, 15)]
        alike = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2) <= bits
        expected = connected_components(alike, directed=False)[1]
        assert 1 < expected.max() + 1 < len(np.unique(hashes, axis=0))
        np.testing.assert_array_equal(near_duplicate_groups(hashes, bits), expected, strict=True)


def test_thousands_of_pages_of_one_kind_take_little_memory():
    hashes = np.zeros((5000, 32), np.uint8)
    hashes[:, 0] = np.arange(5000) % 2  # one bit apart
    hashes[1::2, 1:3] = np.arange(2500, dtype=np.uint16).view(np.uint8).reshape(-1, 2)  # these differ from each other
    tracemalloc.start()
    try:
        assert set(near_duplicate_groups(hashes, 256)) == {0}
        assert len(near_duplicate_rows(hashes, hashes, 256)) == 5000
        assert tracemalloc.get_traced_memory()[1] < 100e6, "25 million pairs are not held at once"
    finally:
        tracemalloc.stop()


def test_folds_are_stratified_whole_by_group_and_those_of_the_seed():
    targets = np.repeat([0, 1, 2], [20, 40, 60])
    groups = np.arange(120)
    groups[21:24] = groups[20]
    folds = stratified_folds(targets, groups, 5, NAMES, seed=0)
    for target, expected in enumerate([4, 8, 12]):
        counts = np.bincount(folds[targets == target], minlength=5)
        assert counts.sum() == [20, 40, 60][target]
        assert np.abs(counts - expected).max() <= (3 if target == 1 else 0)  # the group of four goes as one
    assert len(set(folds[20:24])) == 1
    assert np.array_equal(folds, stratified_folds(targets, groups, 5, NAMES, seed=0))
    assert not np.array_equal(folds, stratified_folds(targets, groups, 5, NAMES, seed=1))


def test_folds_are_as_even_as_those_of_one_page_a_group():
    """What they replace: scikit-learn's StratifiedKFold over the first page of each group."""
    generator = np.random.default_rng(0)
    targets = generator.choice(17, 510, p=1 / np.arange(1, 18) ** 0.5 / (1 / np.arange(1, 18) ** 0.5).sum())
    groups = np.arange(510)
    doubled = generator.choice(509, 30, replace=False)
    groups[doubled + 1] = groups[doubled]
    targets[doubled + 1] = targets[doubled]
    _, groups = np.unique(groups, return_inverse=True)

    def spread(folds):
        """Largest difference between two folds' pages of a class, and of all pages."""
        counts = np.stack([np.bincount(targets[folds == fold], minlength=17) for fold in range(5)])
        return np.ptp(counts, axis=0).max(), np.ptp(counts.sum(1))

    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    replaced = np.zeros(len(first), int)
    for fold, (_, rows) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(first, targets[first])):
        replaced[rows] = fold
    names = tuple(map(str, range(17)))
    found = stratified_folds(targets, groups, 5, names, seed=0)
    assert all(len(np.unique(found[groups == group])) == 1 for group in np.unique(groups))
    for own, before in zip(spread(found), spread(replaced[member]), strict=True):
        assert own <= before


def test_a_class_with_too_few_distinct_pages():
    targets, groups = np.repeat([0, 1], [5, 5]), np.arange(10)
    groups[6] = groups[5]
    with pytest.raises(InputError, match="class 'b' has 4 distinct pages, fewer than the 5 folds"):
        stratified_folds(targets, groups, 5, NAMES, seed=0)


def test_plain_folds_take_a_class_of_one_page_and_keep_groups_together():
    targets, groups = np.repeat([0, 1, 2], [1, 39, 60]), np.arange(100) // 2
    folds = plain_folds(groups, 5, seed=0)
    assert np.bincount(folds).tolist() == [20] * 5
    assert all(len(np.unique(folds[groups == group])) == 1 for group in np.unique(groups))
    assert np.array_equal(folds, plain_folds(groups, 5, seed=0))
    assert not np.array_equal(folds, plain_folds(groups, 5, seed=1))
    with pytest.raises(InputError, match=r"documents\.stratify: false"):
        stratified_folds(targets, np.arange(100), 5, NAMES, seed=0)
    with pytest.raises(InputError, match="4 distinct pages, fewer than the 5 folds"):
        plain_folds(np.arange(8) // 2, 5, seed=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0, 1, 2, 0, 1, 2], r"column fold has \[0, 1, 2\]; documents\.prepare\.folds: 2 expects \[0, 1\]"),
        ([0, 0, 0, 0, 0, 0], r"column fold has \[0\]"),
        ([0, 0, 0, 1, 1, 1], r"class 'a' has pages in fold 0 alone"),
    ],
)
def test_given_folds_that_do_not_match(given, message):
    with pytest.raises(InputError, match=message):
        check_folds(np.array(given), np.array([0, 0, 0, 1, 1, 1]), 2, NAMES[:2])
    check_folds(np.array([0, 1, 0, 1, 0, 1]), np.array([0, 0, 0, 1, 1, 1]), 2, NAMES[:2])
