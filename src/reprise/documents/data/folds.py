"""Near-duplicate pages, and folds that keep them together."""

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from reprise.core.errors import InputError

HASH_SIDE = 16  # a perceptual hash has its square of bits: 64 bits take two letters of one sender for one page
BLOCK = 1024  # rows of hashes compared at once


def perceptual_hash(pixels: np.ndarray) -> np.ndarray:
    """Perceptual hash of a page (H, W, 3) uint8: 256 bits as (32,) uint8."""
    import imagehash

    grey = Image.fromarray(pixels).convert("L").resize((4 * HASH_SIDE,) * 2, Image.Resampling.BILINEAR)
    bits = imagehash.phash(grey, hash_size=HASH_SIDE).hash
    return np.packbits(bits.ravel())


def near_duplicate_pairs(left: np.ndarray, right: np.ndarray, max_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (i, j) whose hashes differ in at most `max_bits` bits.

    Args:
        left: (N, B) uint8 hashes.
        right: (M, B) uint8 hashes.
        max_bits: largest Hamming distance.
    """
    wide_left, wide_right = left.view(np.uint64), right.view(np.uint64)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for start in range(0, len(left), BLOCK):
        block = wide_left[start : start + BLOCK]
        distance = np.zeros((len(block), len(right)), np.uint16)
        for word in range(block.shape[1]):
            distance += np.bitwise_count(block[:, word, None] ^ wide_right[None, :, word])
        rows, columns = np.nonzero(distance <= max_bits)
        found.append((rows + start, columns))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([columns for _, columns in found])


def near_duplicate_groups(hashes: np.ndarray, max_bits: int) -> np.ndarray:
    """Group of every page (N,): pages that differ in at most `max_bits` bits, directly or over others, share one."""
    rows, columns = near_duplicate_pairs(hashes, hashes, max_bits)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(hashes), len(hashes)))
    return connected_components(graph, directed=False)[1]


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
