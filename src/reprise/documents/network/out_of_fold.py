"""Each fold's logits of the pages that its network did not learn from, stored and put together."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from reprise.core.errors import InputError
from reprise.core.files import read_json, read_npy, read_parquet, write_json, write_npy, write_parquet
from reprise.documents.paths import out_of_fold_folder


@dataclasses.dataclass(frozen=True)
class OutOfFold:
    """Logits of the pages of some folds, fold after fold.

    Attributes:
        ids: (N,) of the pages.
        logits: (N, C) of the pages as they are stored.
        damaged: (8, N, K) of the views of one damaged copy each, in the order of views.py.
        targets: (N,) classes.
        folds: (N,) which fold a page is in.
        weights: fold -> SHA-256 of the weights file that gave its logits.
    """

    ids: np.ndarray
    logits: np.ndarray
    damaged: np.ndarray
    targets: np.ndarray
    folds: np.ndarray
    weights: dict[int, str]

    def rows_in(self, pages: pd.DataFrame) -> np.ndarray:
        """Find the pages (N,) in a table of all pages, by id.

        Raises:
            InputError: the table lacks one.
        """
        rows = pd.Index(pages["id"]).get_indexer(self.ids)
        if (missing := np.flatnonzero(rows < 0)).size:
            raise InputError(f"page {self.ids[missing[0]]!r} has logits, but is not among the prepared pages")
        return rows


def write_fold(
    fold: int, ids: Sequence[str], logits: np.ndarray, damaged: np.ndarray, targets: np.ndarray, weights: str
) -> None:
    """Write what a fold's network says of the pages that it did not learn from.

    Args:
        fold: its number.
        ids: of N pages.
        logits: (N, C) of the pages as they are stored.
        damaged: (8, N, K) of the views of damaged copies.
        targets: (N,) classes.
        weights: SHA-256 of the weights file.
    """
    folder = out_of_fold_folder(fold)
    write_npy(folder / "damaged.npy", damaged)
    write_npy(folder / "logits.npy", logits)
    write_npy(folder / "targets.npy", targets.astype(np.int64))
    write_parquet(folder / "pages.parquet", pd.DataFrame({"id": list(ids)}))
    write_json(folder / "model.json", {"sha256": weights})


def read_out_of_fold(folds: Sequence[int]) -> OutOfFold:
    """Read and put together the logits of some folds.

    Raises:
        InputError: a file is missing or damaged.
    """
    ids, logits, damaged, targets, numbers, weights = [], [], [], [], [], {}
    for fold in folds:
        folder = out_of_fold_folder(fold)
        ids.append(read_parquet(folder / "pages.parquet")["id"].to_numpy(dtype=object))
        logits.append(read_npy(folder / "logits.npy"))
        targets.append(read_npy(folder / "targets.npy"))
        damaged.append(read_npy(folder / "damaged.npy"))
        lengths = len(ids[-1]), len(logits[-1]), damaged[-1].shape[1], len(targets[-1])
        if len(set(lengths)) > 1:
            raise InputError(f"{folder}: %d ids, %d logits, %d of damaged copies and %d targets" % lengths)
        numbers.append(np.full(lengths[0], fold))
        weights[fold] = str(read_json(folder / "model.json")["sha256"])
    return OutOfFold(
        ids=np.concatenate(ids),
        logits=np.concatenate(logits),
        damaged=np.concatenate(damaged, axis=1),
        targets=np.concatenate(targets),
        folds=np.concatenate(numbers),
        weights=weights,
    )
