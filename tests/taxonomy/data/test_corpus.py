import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.data.corpus import read_corpus
from reprise.taxonomy.data.lines import normalise_text
from reprise.taxonomy.data.statistics import corpus_statistics


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
    ],
)
def test_bad_corpora_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as error:
        read_corpus(write(tmp_path, content), "refuse")
    assert "\n" not in str(error.value)


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        read_corpus(tmp_path / "none.txt", "refuse")
