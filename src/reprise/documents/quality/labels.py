"""The labels of the test pages, which the evaluation alone reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprise.core.errors import InputError
from reprise.documents.data.images import normalise
from reprise.documents.data.tables import Classes, read_labels
from reprise.documents.quality.calibration import calibration_error
from reprise.documents.quality.scores import list_items, scores

TEST_LABELS = "test_labels.csv"


def score_test_pages(
    folder: Path, predictions: Path, classes: Classes, columns: tuple[str, str], seed: int
) -> tuple[dict[str, Any] | None, pd.DataFrame]:
    """Score the stored predictions of the test pages.

    Args:
        folder: may hold test_labels.csv.
        predictions: probabilities.csv, with the ids and then a column a class.
        classes: the C classes.
        columns: names of the columns of ids and targets in test_labels.csv.
        seed: of the bootstrap, which draws page by page.

    Returns:
        The scores, None without labels; and the pages one by one, as `list_items` has them, none without labels.

    Raises:
        InputError: a label for a page that was not predicted, or a page without a label.
    """
    path = folder / TEST_LABELS
    if not path.exists():
        return None, list_items([], classes, label=[], predicted=[])
    labels = read_labels(path, *columns, classes)
    by_id = dict(zip(labels["id"].map(normalise), labels["target"], strict=True))
    table = pd.read_csv(predictions, dtype=str, keep_default_na=False, index_col=False)
    ids = [normalise(identifier) for identifier in table.iloc[:, 0]]  # by place: a class may have the column's name
    if unknown := sorted(by_id.keys() - set(ids)):
        raise InputError(f"{path}: label for {unknown[0]!r}, which is not a test page")
    if missing := sorted(set(ids) - by_id.keys()):
        raise InputError(f"{path}: {len(missing)} test pages have no label, such as {missing[0]!r}")
    targets, probabilities = np.array([by_id[each] for each in ids]), table.iloc[:, 1:].to_numpy(dtype=np.float64)
    predicted = probabilities.argmax(1)
    found = {
        **scores(predicted, targets, classes, np.arange(len(ids)), seed),
        "ece": calibration_error(probabilities, targets),
        "pages": len(targets),
    }
    return found, list_items(table.iloc[:, 0], classes, label=targets, predicted=predicted)
