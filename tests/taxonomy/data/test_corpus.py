import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.core.files import read_parquet, write_parquet
from reprise.taxonomy.data.corpus import (
    read_core_classes,
    read_corpus,
    read_texts,
    write_core_classes,
)
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.lines import normalise_text
from reprise.taxonomy.data.statistics import corpus_statistics
from tests.taxonomy.readers import value_or_error


def write(tmp_path, content: bytes):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    return path


def test_texts_keep_tabs_and_unicode_line_separators(tmp_path):
    table = read_corpus(write(tmp_path, "1\tone\ttwo\n2\tx\u2028y\x0bz\x85w\n\n".encode()), "refuse")
    assert table["doc_id"].tolist() == ["1", "2"]
    assert table["text"].tolist() == ["one\ttwo", "x\u2028y\x0bz\x85w"]
    assert [normalise_text(text) for text in table["text"]] == ["one two", "x y z w"]


def test_a_very_long_text_passes(tmp_path):
    assert read_corpus(write(tmp_path, b"1\t" + b"word " * 40_000), "refuse")["text"].str.len().tolist() == [199_999]


def test_empty_texts_are_kept_on_request(tmp_path):
    table = read_corpus(write(tmp_path, b"1\t\n2\ta b\n"), "keep")
    assert table["text"].tolist() == ["", "a b"]
    statistics = corpus_statistics(table["text"], near_empty_words=3)
    assert (statistics["empty_texts"], statistics["near_empty_texts"]) == (1, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"file\.txt: no documents"),
        (b"\n \n", r"file\.txt: no documents"),
        (b"1\ta\nno tab here\n", r"file\.txt:2: no tab in 'no tab here'; expected doc id<TAB>text"),
        (b"1\ta\n2\tb\n1\tc\n", r"file\.txt:3: duplicate document id '1', first on line 1"),
        (b"1\ta\n2\t  \n", r"file\.txt:2: document '2' has no text; .*empty_text: keep"),
        (b"1\ta\n2\t\xff\n", r"file\.txt:2: byte 3 of the line is not UTF-8 \(0xff\)"),
        ("é\ta\n\ne\u0301\tb\n".encode(), r"file\.txt:3: duplicate document id 'é', first on line 1"),
    ],
)
def test_bad_corpora_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as error:
        read_corpus(write(tmp_path, content), "refuse")
    assert "\n" not in str(error.value)


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        read_corpus(tmp_path / "none.txt", "refuse")


NAMES_THAT_LIBRARIES_READ = ["NA", "nan", "None", "null", "007", "1e5", "True", "", " ", "=1+1", "#N/A"]


def test_names_stay_what_they_are(tmp_path):
    names = [name for name in NAMES_THAT_LIBRARIES_READ if name.strip()]
    table = read_corpus(write(tmp_path, "".join(f"{name}\t{name}\n" for name in names).encode()), "refuse")
    write_parquet(tmp_path / "corpus.parquet", table)
    assert read_parquet(tmp_path / "corpus.parquet")["doc_id"].tolist() == names
    assert read_texts(tmp_path / "corpus.parquet") == names
    hierarchy = Hierarchy(tuple(names), tuple(names), ((),) * len(names), ())
    core = np.eye(len(names), dtype=bool)
    write_core_classes(tmp_path / "core.parquet", table["doc_id"], core, hierarchy)
    assert np.array_equal(read_core_classes(tmp_path / "core.parquet", hierarchy), core)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text("ab\t\n\r ", max_size=30).map(str.encode))
def test_any_bytes_are_a_corpus_or_one_line_of_error(tmp_path, content):
    path = write(tmp_path, content)
    table, error = value_or_error(lambda: read_corpus(path, "keep"))
    if table is None:
        assert error is not None
        assert error.startswith(str(path))
        assert "\n" not in error
    else:
        lines = content.removeprefix(b"\xef\xbb\xbf").decode().split("\n")
        assert len(table) == sum(bool(line.strip()) for line in lines)
