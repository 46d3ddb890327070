import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.labels import read_labels

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
        (b"x\ta\ny\td\n", r"file\.txt:2: class id 'd' is not in classes\.txt"),
        (b"x\ta\nx\tb\n", r"file\.txt:2: duplicate document id 'x', first on line 1"),
        (b"x\ta\n", r"file\.txt: no line for 1 documents, such as 'y'"),
        (b"x a\n", r"file\.txt:1: no tab"),
    ],
)
def test_bad_labels_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_labels(write(tmp_path, content), HIERARCHY, ["x", "y"])
