import unicodedata
from pathlib import Path

import pytest

from reprise.core.errors import InputError
from reprise.deepfake.sentences import Sentence, read_sentences


def test_each_line_with_a_word_is_a_sentence(tmp_path):
    path = tmp_path / "s.txt"
    path.write_bytes("\ufeffGood  morning.\r\n\r\n 9 \u2028 lives\r\n".encode())
    assert read_sentences(path, 2) == [
        Sentence("Good morning.", 1, f"{path}: line 1"),
        Sentence("9 lives", 3, f"{path}: line 3"),
    ]


@pytest.mark.parametrize(
    "again", ["good morning", "Good  morning!", unicodedata.normalize("NFD", "Good mórning.").replace("\u0301", "")]
)
def test_the_same_words_are_one_sentence(tmp_path, again):
    path = tmp_path / "s.txt"
    path.write_text(f"Good morning.\nIt is late.\n{again}\n")
    with pytest.raises(InputError, match="line 3: the words of line 1 again; expected each sentence once"):
        read_sentences(path, 1)


def test_letters_are_compared_composed(tmp_path):
    path = tmp_path / "s.txt"
    path.write_text("\n".join(unicodedata.normalize(form, "Café.") for form in ("NFC", "NFD")))
    with pytest.raises(InputError, match="line 2: the words of line 1 again"):
        read_sentences(path, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\n", "s.txt: sentences: 2; expected 3 or more, for train, dev and eval"),
        (b"a\n\n...\n", "s.txt: line 3: no letter and no digit; expected a sentence"),
        (b"a" * 1001, "s.txt: line 1: 1001 characters; expected 1000 at most"),
        (b"caf\xe9", "s.txt: not UTF-8"),
        (None, "s.txt: no such file"),
    ],
)
def test_what_is_no_list_of_sentences_is_named(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("s.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"^{message}"):
        read_sentences(Path("s.txt"), 3)


def test_a_file_for_one_protocol_needs_one_sentence(tmp_path):
    (tmp_path / "s.txt").write_text("\n")
    with pytest.raises(InputError, match=r"s\.txt: sentences: 0; expected one a line"):
        read_sentences(tmp_path / "s.txt", 1)
