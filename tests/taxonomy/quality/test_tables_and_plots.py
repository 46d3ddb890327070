import csv
import io

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import confusion_matrix as sklearn_matrix

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.plots import confusion_matrix, f1_by_silver, headline_bars
from reprise.taxonomy.quality.tables import (
    NO_LEAF,
    class_table,
    confusion_table,
    csv_text,
    example_table,
    leaf_confusion_table,
)

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


def test_leaves_are_confused_one_by_one():
    """0 above 1, 2, 3 and 4: found, missed and taken for another, missed alone, one too many, two for two."""
    hierarchy = Hierarchy(tuple("01234"), tuple("ABCDE"), ((),) * 5, ((0, 1), (0, 2), (0, 3), (0, 4)))
    truth = np.array([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]], dtype=bool)
    sets = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 1, 0], [1, 0, 0, 1, 1]], dtype=bool)
    table = leaf_confusion_table(sets, csr_array(truth), hierarchy)
    assert list(table.itertuples(index=False, name=None)) == [
        ("B", "B"),
        ("B", "C"),
        ("B", NO_LEAF),
        ("B", "B"),
        (NO_LEAF, "D"),
        *(("B", "D"), ("B", "E"), ("C", "D"), ("C", "E")),
    ]
    assert leaf_confusion_table(sets, None, hierarchy).columns.tolist() == ["actual", "predicted"]


def test_each_of_one_leaf_a_document_agrees_with_scikit_learn():
    generator = np.random.default_rng(1)
    true, predicted = generator.integers(0, 8, 50), generator.integers(0, 8, 50)
    table = leaf_confusion_table(np.eye(8, dtype=bool)[predicted], csr_array(np.eye(8, dtype=bool)[true]), HIERARCHY)
    labels = list(HIERARCHY.labels)
    found = sklearn_matrix(table["actual"], table["predicted"], labels=labels)
    assert np.array_equal(found, sklearn_matrix(true, predicted, labels=range(8)))


@pytest.mark.parametrize("count", [0, 1, 2, 150])
def test_pictures_of_nothing_and_of_much(tmp_path, count, recwarn):
    names = [*NAMES, *(f"class {number}" for number in range(150))][:count]
    table = pd.DataFrame({"name": names, "level": 1, "silver_documents": 0, "f1": 0.0, "support": 1})
    f1_by_silver(table, tmp_path / "classes.png")
    f1_by_silver(table.drop(columns="f1"), tmp_path / "unlabelled.png")
    confusion_matrix(pd.DataFrame({"actual": names, "predicted": names[::-1]}), tmp_path / "confusion.png")
    headline_bars({"zero_shot": {"mean_predicted_classes": 1.0}}, ["mrr"], tmp_path / "headline.png")
    assert not [warning for warning in recwarn if "Glyph" not in str(warning.message)]
