"""The labels of the test pages, which the evaluation alone reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprise.core.errors import InputError
from reprise.documents.data.images import FileNames, normalise
from reprise.documents.data.layouts import read_label_file
from reprise.documents.data.tables import Classes, match_classes
from reprise.documents.quality.calibration import calibration_error
from reprise.documents.quality.scores import list_items, scores


def score_test_pages(
    labels: Path, predictions: Path, classes: Classes, columns: tuple[str, str], seed: int
) -> tuple[dict[str, Any] | None, pd.DataFrame]:
    """Score the stored predictions of the test pages.

    Args:
        labels: test_labels.csv, or an index of `path label`; need not be there.
        predictions: probabilities.csv, with the ids and then a column a class.
        classes: the C classes.
        columns: names of the columns of ids and targets in test_labels.csv.
        seed: of the bootstrap, which draws page by page.

    Returns:
        The scores, None without labels; and the pages one by one, as `list_items` has them, none without labels.

    Raises:
        InputError: a label for a page that was not predicted, or a page without a label.
    """
    table = pd.read_csv(predictions, dtype=str, keep_default_na=False, index_col=False)
    ids = table.iloc[:, 0].tolist()  # by place: a class may have the column's name
    given = read_test_labels(labels, ids, classes, columns) if labels.exists() else labels_of_folders(ids, classes)
    if given is None:
        return None, list_items([], classes, label=[], predicted=[])
    targets, probabilities = np.array(given), table.iloc[:, 1:].to_numpy(dtype=np.float64)
    predicted = probabilities.argmax(1)
    found = {
        **scores(predicted, targets, classes, np.arange(len(ids)), seed),
        "ece": calibration_error(probabilities, targets),
        "pages": len(targets),
    }
    return found, list_items(table.iloc[:, 0], classes, label=targets, predicted=predicted)


def read_test_labels(path: Path, ids: Sequence[str], classes: Classes, columns: tuple[str, str]) -> list[int]:
    """Read the class of every test page, in the order of `ids`.

    Raises:
        InputError: a label for no test page, two for one, a page without one, or what the reader of the file says.
    """
    labels = match_classes(path, read_label_file(path, columns, ""), classes, "meta.csv")
    names = FileNames(ids)
    by_id: dict[str, int] = {}
    for identifier, target in zip(labels["id"], labels["target"], strict=True):
        found = names.find(identifier) or names.find(identifier.partition("/")[2])  # an index names the folder, too
        if len(found) != 1:
            problem = "could be several test pages" if found else "is not a test page"
            raise InputError(f"{path}: label for {identifier!r}, which {problem}")
        if found[0] in by_id:
            raise InputError(f"{path}: second label for {identifier!r}")
        by_id[found[0]] = target
    if missing := sorted(set(ids) - by_id.keys()):
        raise InputError(f"{path}: {len(missing)} test pages have no label, such as {missing[0]!r}")
    return [by_id[identifier] for identifier in ids]


def labels_of_folders(ids: Sequence[str], classes: Classes) -> list[int] | None:
    """Read the classes of test pages off their folders, `test/<class>/page.jpg`; None unless all lie in such ones."""
    places = {normalise(name): index for index, name in enumerate(classes.names)}
    places |= {normalise(target): index for index, target in enumerate(classes.targets)}
    folders = [normalise(identifier).partition("/") for identifier in ids]
    if not ids or not all(slash and folder in places for folder, slash, _ in folders):
        return None
    return [places[folder] for folder, _, _ in folders]
