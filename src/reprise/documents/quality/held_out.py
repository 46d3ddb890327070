"""Scores of the test pages, which no training and no choice has seen."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprise.documents.data.tables import Classes
from reprise.documents.quality.calibration import calibration_error
from reprise.documents.quality.labels import labels_of_folders, read_test_labels
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
