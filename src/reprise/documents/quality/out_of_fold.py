"""What each fold's network said of the pages that it did not learn from, put together."""

import dataclasses
from pathlib import Path

import numpy as np

from reprise.core.errors import InputError
from reprise.core.files import hash_file, read_json, read_npy

OUT_OF_FOLD = Path("data/documents/out_of_fold")


@dataclasses.dataclass(frozen=True)
class OutOfFold:
    """Logits of all pages, fold after fold.

    Attributes:
        logits: (N, C) of one upright view.
        targets: (N,) classes.
        folds: (N,) which fold a page is in.
    """

    logits: np.ndarray
    targets: np.ndarray
    folds: np.ndarray


def read_out_of_fold(count: int) -> OutOfFold:
    """Read the stored logits of `count` folds, and see that they are of the weights at hand.

    Raises:
        InputError: a file is missing or damaged, or a fold's weights are others than those that gave the logits.
    """
    logits, targets, folds = [], [], []
    for fold in range(count):
        folder = OUT_OF_FOLD / f"fold-{fold}"
        model = read_json(folder / "model.json")
        if not Path(model["path"]).is_file() or hash_file(Path(model["path"])) != model["sha256"]:
            raise InputError(f"{model['path']}: missing, or not the weights that gave {folder}: run `dvc repro`")
        logits.append(np.array(read_npy(folder / "logits.npy")))
        targets.append(np.array(read_npy(folder / "targets.npy")))
        folds.append(np.full(len(targets[-1]), fold))
    return OutOfFold(np.concatenate(logits), np.concatenate(targets), np.concatenate(folds))
