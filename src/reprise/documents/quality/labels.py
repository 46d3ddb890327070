"""The labels of the test pages, which the evaluation alone reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprise.core.errors import InputError
from reprise.documents.data.tables import Classes, read_labels
from reprise.documents.quality.calibration import calibration_error
from reprise.documents.quality.scores import scores

TEST_LABELS = "test_labels.csv"


def score_test_pages(
    folder: Path, predictions: Path, classes: Classes, columns: tuple[str, str]
) -> dict[str, Any] | None:
    """Score the stored predictions of the test pages; None without labels.

    Args:
        folder: may hold test_labels.csv.
        predictions: probabilities.csv, with the ids and then a column a class.
        classes: the C classes.
        columns: names of the columns of ids and targets in test_labels.csv.

    Raises:
        InputError: a label for a page that was not predicted, or a page without a label.
    """
    path = folder / TEST_LABELS
    if not path.exists():
        return None
    labels = read_labels(path, *columns, classes).set_index("id")["target"]
    table = pd.read_csv(predictions, dtype=str, keep_default_na=False)
    ids = table.iloc[:, 0]
    if unknown := sorted(set(labels.index) - set(ids)):
        raise InputError(f"{path}: label for {unknown[0]!r}, which is not a test page")
    if missing := sorted(set(ids) - set(labels.index)):
        raise InputError(f"{path}: {len(missing)} test pages have no label, such as {missing[0]!r}")
    targets, probabilities = labels.loc[ids].to_numpy(), table.iloc[:, 1:].to_numpy(dtype=np.float64)
    return {
        **scores(probabilities.argmax(1), targets, classes),
        "ece": calibration_error(probabilities, targets),
        "pages": len(targets),
    }
