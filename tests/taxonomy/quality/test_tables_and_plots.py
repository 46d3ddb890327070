import csv
import io

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.plots import confusion_matrix, f1_by_silver, headline_bars
from reprise.taxonomy.quality.tables import class_table, confusion_table, csv_text, example_table

NAMES = ("$x_{", "a$b$c", "NA", "=cmd|' /C calc'!A0", "<b>|\x1b[31m", "same", "same", "n" * 900)
HIERARCHY = Hierarchy(tuple("01234567"), NAMES, ((),) * 8, ())


@pytest.fixture
def tables():
    generator = np.random.default_rng(0)
    truth = np.eye(8, dtype=bool)[generator.integers(0, 8, 60)]
    sets = np.where(generator.random((60, 1)) < 0.7, truth, np.eye(8, dtype=bool)[generator.integers(0, 8, 60)])
    test = pd.DataFrame({"doc_id": [f"=d{row}" for row in range(60)], "text": ["@text"] * 60})
    labels = csr_array(truth)
    return (
        example_table(test, {"zero_shot": sets, "self_trained": sets}, labels, HIERARCHY),
        class_table(sets, labels, truth, HIERARCHY),
        confusion_table(sets, labels, HIERARCHY),
    )


def test_classes_of_one_name_stay_apart(tables):
    _, per_class, confusion = tables
    assert per_class["name"].nunique() == 8
    assert confusion["actual"].nunique() == 8
    assert {"same (5)", "same (6)"} <= set(confusion["actual"])


def test_no_cell_is_a_formula_or_an_escape_and_numbers_stay_numbers(tables):
    for table in tables:
        rows = list(csv.reader(io.StringIO(csv_text(table))))
        assert len(rows) == len(table) + 1
        for cell in (cell for row in rows[1:] for cell in row):
            assert cell.isprintable()
            assert cell[:1] not in set("=+-@\t\r")
    assert pd.read_csv(io.StringIO(csv_text(tables[1])), keep_default_na=False)["f1"].dtype == np.float64


def test_names_are_no_formulas_in_pictures(tables, tmp_path):
    _, per_class, confusion = tables
    confusion_matrix(confusion, tmp_path / "confusion.png")
    f1_by_silver(per_class, tmp_path / "classes.png")
    headline_bars({"zero_shot": {"mrr": 0.5}}, ["mrr"], tmp_path / "headline.png")
    import matplotlib.image

    for path in tmp_path.iterdir():
        assert max(matplotlib.image.imread(path).shape) < 2500  # a long name does not blow up the picture
