import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.taxonomy.data.class_lists import read_class_lists, read_seed_documents
from reprise.taxonomy.data.hierarchy import Hierarchy
from tests.taxonomy.readers import value_or_error

HIERARCHY = Hierarchy(("a", "b", "c"), ("A", "B", "C"), ((), (), ()), ((0, 1),))
DOCUMENTS = ["x", "y", "z"]


def write(tmp_path, content: str):
    path = tmp_path / "seed_documents.txt"
    path.write_text(content)
    return path


def test_lines_name_rows_and_columns(tmp_path):
    lists = read_class_lists(write(tmp_path, "\nz\tc, a,c\nx\t\n"), HIERARCHY, DOCUMENTS)
    assert lists == {2: (2, [2, 0]), 0: (3, [])}


def test_seed_documents_are_those_with_a_line(tmp_path):
    seeds = read_seed_documents(write(tmp_path, "z\tb\nx\ta,c\n"), HIERARCHY, DOCUMENTS)
    assert np.array_equal(seeds, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_without_a_file_there_are_none(tmp_path):
    assert not read_seed_documents(tmp_path / "nothing.txt", HIERARCHY, DOCUMENTS).any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x\ta\nq\ta\n", r"seed_documents\.txt:2: document 'q' is not in the corpus"),
        ("x\ta\n\ny\td\n", r"seed_documents\.txt:3: class id 'd' is not in the file of classes"),
        ("x\ta\nx\tb\n", r"seed_documents\.txt:2: duplicate document id 'x', first on line 1"),
        ("x\t,\n", r"seed_documents\.txt:1: document 'x' has no class; expected doc id<TAB>class id,class id"),
        ("x a\n", r"seed_documents\.txt:1: no tab"),
    ],
)
def test_bad_seed_documents_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_seed_documents(write(tmp_path, content), HIERARCHY, DOCUMENTS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text("abcxyz,\t\n\r ", max_size=30).map(str.encode))
def test_any_bytes_are_seeds_or_one_line_of_error(tmp_path, content):
    path = tmp_path / "seed_documents.txt"
    path.write_bytes(content)
    seeds, error = value_or_error(lambda: read_seed_documents(path, HIERARCHY, DOCUMENTS))
    if seeds is None:
        assert error is not None
        assert error.startswith(str(path))
        assert "\n" not in error
    else:
        assert seeds.any(axis=1).sum() == sum(bool(line.strip()) for line in content.decode("utf-8-sig").split("\n"))
