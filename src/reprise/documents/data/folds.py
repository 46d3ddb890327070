"""Near-duplicate pages, and folds that keep them together."""

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from reprise.core.errors import InputError

HASH_SIDE = 16  # a perceptual hash has its square of bits: 64 bits take two letters of one sender for one page
BLOCK = 1024  # rows of hashes that are compared at once with as many others


def perceptual_hash(pixels: np.ndarray) -> np.ndarray:
    """Perceptual hash of a page (H, W, 3) uint8: 256 bits as (32,) uint8."""
    import imagehash

    grey = Image.fromarray(pixels).convert("L").resize((4 * HASH_SIDE,) * 2, Image.Resampling.BILINEAR)
    bits = imagehash.phash(grey, hash_size=HASH_SIDE).hash
    return np.packbits(bits.ravel())


def near_duplicate_pairs(left: np.ndarray, right: np.ndarray, max_bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows (i, j) whose hashes differ in at most `max_bits` bits, those of one tile of all comparisons at a time.

    Thousands of blank pages have millions of pairs, which together would fill the memory.

    Args:
        left: (N, B) uint8 hashes.
        right: (M, B) uint8 hashes.
        max_bits: largest Hamming distance.
    """
    wide_left, wide_right = left.view(np.uint64), right.view(np.uint64)
    for top in range(0, len(left), BLOCK):
        rows = wide_left[top : top + BLOCK]
        for start in range(0, len(right), BLOCK):
            columns = wide_right[start : start + BLOCK]
            distance = np.zeros((len(rows), len(columns)), np.uint16)
            for word in range(rows.shape[1]):
                distance += np.bitwise_count(rows[:, word, None] ^ columns[None, :, word])
            found = np.nonzero(distance <= max_bits)
            yield found[0] + top, found[1] + start


def near_duplicate_rows(left: np.ndarray, right: np.ndarray, max_bits: int) -> np.ndarray:
    """Rows of `left` that differ from some row of `right` in at most `max_bits` bits, in their order."""
    alike = np.zeros(len(left), bool)
    for rows, _ in near_duplicate_pairs(left, right, max_bits):
        alike[rows] = True
    return np.flatnonzero(alike)


def near_duplicate_groups(hashes: np.ndarray, max_bits: int) -> np.ndarray:
    """Group of every page (N,): pages that differ in at most `max_bits` bits, directly or over others, share one.

    Groups are numbered by their first pages.
    """
    distinct, hash_of_page = np.unique(hashes, axis=0, return_inverse=True)
    groups: np.ndarray = np.arange(len(distinct))
    for start in range(0, len(distinct), BLOCK):
        below = distinct[start:]  # what lies above was compared before
        for rows, columns in near_duplicate_pairs(below[:BLOCK], below, max_bits):
            ends = groups[rows + start], groups[columns + start]
            if (ends[0] != ends[1]).any():
                graph = coo_array((np.ones(len(rows), bool), ends), shape=(len(distinct), len(distinct)))
                groups = connected_components(graph, directed=False)[1][groups]
    _, first, group_of_page = np.unique(groups[hash_of_page.ravel()], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group_of_page].astype(np.int32)


def stratified_folds(
    targets: np.ndarray, groups: np.ndarray, folds: int, names: "tuple[str, ...]", seed: int
) -> np.ndarray:
    """Draw the fold of every page (N,): stratified by class, each group of near-duplicates in one fold.

    Args:
        targets: (N,) classes.
        groups: (N,) groups.
        folds: how many.
        names: of the classes, for the error.
        seed: draws the folds.

    Raises:
        InputError: a class with fewer distinct pages than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    pairs = np.unique(np.stack([targets, groups]), axis=1)  # (2, M): each class with each of its groups
    for name, distinct in zip(names, np.bincount(pairs[0], minlength=len(names)), strict=True):
        if 0 < distinct < folds:
            raise InputError(
                f"class {name!r} has {distinct} distinct pages, "
                f"fewer than the {folds} folds of documents.prepare.folds; "
                "documents.stratify: false draws folds whatever the class"
            )
    result = np.zeros(len(targets), np.int64)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(splitter.split(targets, targets, groups)):
        result[rows] = fold
    return result


def plain_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Draw the fold of every page (N,) whatever its class, each group of near-duplicates in one fold.

    A class with fewer pages than folds is missing in some folds, or from what their models learn.

    Args:
        groups: (N,) groups.
        folds: how many.
        seed: draws the folds.

    Raises:
        InputError: fewer groups than folds.
    """
    from sklearn.model_selection import GroupKFold

    if (distinct := len(np.unique(groups))) < folds:
        raise InputError(f"{distinct} distinct pages, fewer than the {folds} folds of documents.prepare.folds")
    result = np.zeros(len(groups), np.int64)
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, rows) in enumerate(splitter.split(groups, groups=groups)):
        result[rows] = fold
    return result


def check_folds(given: np.ndarray, targets: np.ndarray, folds: int, names: "tuple[str, ...]") -> None:
    """Check folds that the user gave.

    Raises:
        InputError: they are not 0 ... folds - 1, or a class has all its pages in one fold.
    """
    expected, found = list(range(folds)), np.unique(given).tolist()
    if found != expected:
        raise InputError(f"column fold has {found}; documents.prepare.folds: {folds} expects {expected}")
    for index, name in enumerate(names):
        own = np.unique(given[targets == index])
        if len(own) == 1:
            raise InputError(f"class {name!r} has pages in fold {own[0]} alone, so its model would never see one")
