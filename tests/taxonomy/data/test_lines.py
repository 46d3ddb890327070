import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.taxonomy.data.lines import MOST_CHARACTERS, normalise_text, read_lines, read_pairs
from tests.taxonomy.readers import value_or_error


def write(tmp_path, content: bytes):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    return path


def test_blank_lines_are_skipped_and_counted(tmp_path):
    path = write(tmp_path, b"\n1\ta\n\n \t \n2\tb\n\n")
    assert [(number, key) for number, key, _ in read_pairs(path, "id<TAB>text")] == [(2, "1"), (5, "2")]


def test_texts_keep_unicode_line_separators_and_quotes(tmp_path):
    path = write(tmp_path, '"a\nb"\tx\u2028y\x0bz\x85w\r\n'.encode())
    assert [line for _, line in read_lines(path)] == ['"a', 'b"\tx\u2028y\x0bz\x85w']


def test_keys_are_composed(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Größe")
    assert decomposed != "Größe"
    path = write(tmp_path, f" {decomposed} \tx".encode())
    assert [key for _, key, _ in read_pairs(path, "")] == ["Größe"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\ta\r2\tb\r", r"file\.txt: its lines end in CR alone; expected LF or CR LF"),
        (b"1\ta\n\n2\tb\x00c\n", r"file\.txt:3: a NUL character; expected UTF-8 text"),
        ("1\ta\n".encode("utf-16"), r"file\.txt:1: byte 1 of the line is not UTF-8 \(0xff\)"),
        ("1\ta\n".encode("utf-16-le"), r"file\.txt:1: a NUL character"),
        (
            b"x" * (MOST_CHARACTERS + 1) + b"\ta",
            r"file\.txt:1: 'x+…' has 1001 characters; ids and names have",
        ),
        (b"\x1b[2J\n", r"file\.txt:1: no tab in '\\x1b\[2J'; expected id<TAB>text"),
    ],
)
def test_bad_lines_are_named(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as error:
        list(read_pairs(write(tmp_path, content), "id<TAB>text"))
    assert str(error.value).isprintable()


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(InputError, match=r"a folder; expected a file"):
        list(read_lines(tmp_path))
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        list(read_lines(tmp_path / "none.txt"))
    path = write(tmp_path, b"x")
    with pytest.raises(InputError, match=r"no such file"):
        list(read_lines(path / "below.txt"))


@given(content=st.binary(max_size=200))
def test_any_bytes_give_lines_or_one_line_of_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.txt"
    path.write_bytes(content)
    pairs, error = value_or_error(lambda: list(read_pairs(path, "key<TAB>value")))
    if pairs is None:
        assert error
        assert error.isprintable()
    else:
        lines = content.removeprefix(b"\xef\xbb\xbf").decode().split("\n")
        assert [number for number, _, _ in pairs] == [n for n, line in enumerate(lines, 1) if line.strip()]


def test_white_space_and_composition_of_texts():
    assert normalise_text(" e\u0301 \u00a0 \n x ") == "é x"
