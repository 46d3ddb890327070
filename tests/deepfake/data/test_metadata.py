import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.deepfake.data.metadata import read_header, read_metadata, reader_of

IN_THE_WILD = "file,speaker,label\n0.wav,Alec Guinness,spoof\n1.wav,Alec Guinness,bona-fide\n"
MLAAD = (
    "path|original_file|language|is_original_language|duration|training_data|model_name|architecture|transcript\n"
    "./fake/en/m1/a.wav|en_US/by_book/male/elliot/book/wavs/a.wav|en|True|4.2|ljspeech|tts/vits|vits|Hello, world\n"
)


def read(path, text):
    path.write_text(text, encoding="utf-8")
    header = read_header(path)
    assert header is not None
    return read_metadata(path, header)


def test_in_the_wild(tmp_path):
    (spoof, split), (natural, _) = read(tmp_path / "meta.csv", IN_THE_WILD)
    assert (spoof.utterance, spoof.speaker, spoof.attack, spoof.spoof) == ("0.wav", "Alec Guinness", "spoof", True)
    assert (natural.utterance, natural.attack, natural.spoof, split) == ("1.wav", "-", False, None)
    assert natural.where == f"{tmp_path}/meta.csv:3"


def test_mlaad(tmp_path):
    ((trial, _),) = read(tmp_path / "meta.csv", MLAAD)
    assert (trial.utterance, trial.speaker, trial.attack) == ("fake/en/m1/a.wav", "elliot", "tts/vits")
    assert trial.spoof


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_under_other_names_in_any_order(tmp_path, delimiter):
    text = "Label,Attack_ID,Subset,Filename\nReal,-,validation,a\nFAKE,A01,test,b.flac\n".replace(",", delimiter)
    (natural, dev), (spoof, evaluation) = read(tmp_path / "t.csv", text)
    assert (natural.spoof, natural.speaker, dev) == (False, "-", "dev")
    assert (spoof.spoof, spoof.attack, evaluation) == (True, "A01", "eval")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na,real\nb,1\n", r"m\.csv:3: label '1'; expected bonafide, .*, or spoof"),
        ("file,label\na,real,x\n", r"m\.csv:2: 3 values; expected 2"),
        ("file,label\na\n", r"m\.csv:2: 1 values; expected 2"),
        ("file,label\n,real\n", r"m\.csv:2: '' cannot be a name"),
        ("file,label,split\na,real,other\n", r"m\.csv:2: split 'other'; expected train, dev, eval"),
        ('file,label\na,"real\n', r"m\.csv:2: not CSV"),
        ("file,label,label\na,real,fake\n", r"m\.csv:1: column 'label' is there 2 times"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path / "m.csv", text)


@pytest.mark.parametrize("text", ["", "s1 a - - bonafide\n", "file,speaker\na,b\n", "path|transcript\n"])
def test_what_is_no_table_of_recordings(tmp_path, text):
    (tmp_path / "x").write_text(text)
    assert read_header(tmp_path / "x") is None


def test_readers_of_m_ailabs():
    assert reader_of("en_US/by_book/female/judy/book/wavs/x.wav") == "judy"
    assert reader_of("en_US/by_book/mix/wavs/x.wav") == "wavs"
    assert reader_of("a/b.wav") is None


NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)


@given(st.lists(st.tuples(NAME, NAME, st.booleans()), min_size=1, max_size=5))
def test_every_table_that_a_csv_writer_writes_is_read(tmp_path_factory, rows):
    content = io.StringIO()
    writer = csv.writer(content)
    writer.writerow(["file", "speaker", "label"])
    writer.writerows([(f"f{name}", f"s{speaker}", "spoof" if spoof else "real") for name, speaker, spoof in rows])
    found = read(tmp_path_factory.getbasetemp() / "table.csv", content.getvalue())
    assert [trial.spoof for trial, _ in found] == [spoof for *_, spoof in rows]


@given(st.binary(max_size=200))
def test_any_bytes_after_a_header_are_rows_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"file,label\n" + content)
    header = read_header(path)
    with contextlib.suppress(InputError):
        if header is not None:
            read_metadata(path, header)
