import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.labels import apply_rule, read_labels
from reprise.taxonomy.quality.metrics import classification_metrics
from tests.taxonomy.readers import value_or_error

HIERARCHY = Hierarchy(("a", "b", "c"), ("A", "B", "C"), ((), (), ()), ((0, 1),))


def write(tmp_path, content: bytes):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    return path


def test_labels_come_in_the_order_of_the_documents_and_are_not_closed(tmp_path):
    labels = read_labels(write(tmp_path, b"y\tb\nx\ta, c,c\nz\t\n"), HIERARCHY, ["x", "y", "z"])
    assert labels.dtype == bool
    assert np.array_equal(labels.toarray(), [[1, 0, 1], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x\ta\nq\ta\n", r"file\.txt:2: document 'q' is not in the corpus"),
        (b"x\ta\ny\td\n", r"file\.txt:2: class id 'd' is not in the file of classes"),
        (b"x\ta\nx\tb\n", r"file\.txt:2: duplicate document id 'x', first on line 1"),
        (b"x\ta\n", r"file\.txt: no line for 1 documents, such as 'y'"),
        (b"x a\n", r"file\.txt:1: no tab"),
    ],
)
def test_bad_labels_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_labels(write(tmp_path, content), HIERARCHY, ["x", "y"])


DRINKS = Hierarchy(tuple("0123"), ("food", "drink", "tea", "iced tea"), ((),) * 4, ((0, 2), (1, 2), (2, 3)))
LEAVES_ALONE = np.array([[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)


@pytest.mark.parametrize(("rule", "closes"), [("auto", True), ("closed", True), ("as_given", False)])
def test_labels_that_name_leaves_alone_are_closed(rule, closes):
    labels, found = apply_rule(csr_array(LEAVES_ALONE), DRINKS, rule)
    assert found == {"documents_below_top": 2, "documents_lacking_ancestors": 2, "closed": closes}
    expected = [[1, 1, 1, 1], [1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]] if closes else LEAVES_ALONE
    assert np.array_equal(labels.toarray(), expected)


def test_auto_leaves_labels_alone_where_only_some_lack_ancestors():
    labels = DRINKS.close_upwards(LEAVES_ALONE)
    labels[0, 0] = False  # one of two documents
    kept, found = apply_rule(csr_array(labels), DRINKS, "auto")
    assert np.array_equal(kept.toarray(), labels)
    assert found == {"documents_below_top": 2, "documents_lacking_ancestors": 1, "closed": False}
    flat = Hierarchy(tuple("0123"), tuple("0123"), ((),) * 4, ())
    assert not apply_rule(csr_array(LEAVES_ALONE), flat, "auto")[1]["closed"]


def test_a_perfect_classifier_scores_one_on_labels_of_leaves():
    predicted = DRINKS.close_upwards(LEAVES_ALONE)
    truth, _ = apply_rule(csr_array(LEAVES_ALONE), DRINKS, "auto")
    metrics = classification_metrics(predicted.astype(np.float32), predicted, truth, DRINKS, seed=0)
    assert all(metrics[name] == 1 for name in ("example_f1", "accuracy", "p_at_1", "macro_f1"))


@given(content=st.binary(max_size=120) | st.text(alphabet="xyabc,\t\n ", max_size=40).map(str.encode))
def test_any_bytes_give_labels_or_one_line_of_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "labels.txt"
    path.write_bytes(content)
    labels, error = value_or_error(lambda: read_labels(path, HIERARCHY, ["x", "y"]))
    if labels is None:
        assert error
        assert error.isprintable()
    else:
        assert labels.shape == (2, 3)
        assert content.count(b"\t") >= 2  # a line for each document
