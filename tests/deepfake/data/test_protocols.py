import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.deepfake.data.protocols import (
    join_columns,
    read_protocol,
    shared_speakers,
    split_columns,
)
from reprise.deepfake.data.sources import read_trials

SHARES = {"train": 0.5, "dev": 0.5}

LAYOUTS = {
    "ASVspoof 2019": ("LA_0079 LA_T_1 - - bonafide\nLA_0080 LA_T_2 - A01 spoof\n", "LA_0080", "A01"),
    "ASVspoof 2021 LA": (
        "LA_1 LA_T_1 alaw ita_tx bonafide bonafide notrim eval\nLA_9 LA_T_2 alaw ita_tx A07 spoof notrim eval\n",
        "LA_9",
        "A07",
    ),
    "ASVspoof 2021 DF": (
        "LA_1 LA_T_1 nocodec asvspoof - bonafide notrim eval - - - - -\n"
        "LA_9 LA_T_2 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -\n",
        "LA_9",
        "A14",
    ),
    "ASVspoof 5": (
        "T_4850 LA_T_1 F - - - - - bonafide -\nT_4851 LA_T_2 F - - - AC3 A05 spoof -\n",
        "T_4851",
        "A05",
    ),
    "merged": ("LA_T_1 train bonafide\nLA_T_2 train spoof\nLA_T_3 dev spoof\n", "-", "spoof"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_published_layouts(tmp_path, layout):
    text, speaker, attack = LAYOUTS[layout]
    (tmp_path / "p.txt").write_text(text)
    natural, spoof = read_protocol(tmp_path / "p.txt", "train")
    assert (natural.utterance, natural.spoof, natural.attack) == ("LA_T_1", False, "-")
    assert (spoof.utterance, spoof.spoof, spoof.attack, spoof.speaker) == ("LA_T_2", True, attack, speaker)
    assert spoof.where == f"{tmp_path}/p.txt:2"


GOOD = "s1 a - - bonafide\ns2 b - A01 spoof\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speaker one call 1 - - bonafide\n", r"p\.txt:1: 7 columns; .*; where a name holds a space, put tabs"),
        (GOOD + "s3 c A01 spoof\n", r"p\.txt:3: 4 columns; expected 3 \(merged\), 5 \(ASVspoof 2019\)"),
        (GOOD + "s3 c - A01 fake\n", r"p\.txt:3: key 'fake' in column 5; expected bonafide or spoof"),
        (GOOD + "\ns3 a - A01 spoof\n", r"p\.txt:4: duplicate utterance 'a', first on .*p\.txt:1$"),
        ("s2 b - A01 spoof\n", r"p\.txt: the split train has spoof utterances alone"),
        ("s2 b - - bonafide\n", r"p\.txt: the split train has bonafide utterances alone"),
        ("", r"p\.txt: no trial of the split train"),
        ("a test spoof\n", r"p\.txt:1: split 'test'; expected train, dev, eval"),
    ],
)
def test_bad_protocols(tmp_path, text, message):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_protocol(tmp_path / "p.txt", "train")


def test_names_with_spaces_stand_between_tabs_and_are_written_so(tmp_path):
    columns = [["speaker one", "call 1", "-", "-", "bonafide"], ["NA", "a", "-", "A01", "spoof"]]
    text = "\n".join(join_columns(line) for line in columns)
    assert text == "speaker one\tcall 1\t-\t-\tbonafide\nNA a - A01 spoof"
    (tmp_path / "p.txt").write_text(text)
    natural, spoof = read_protocol(tmp_path / "p.txt", "train")
    assert (natural.speaker, natural.utterance) == ("speaker one", "call 1")
    assert (spoof.speaker, spoof.utterance) == ("NA", "a")


@given(st.lists(st.text(min_size=1, max_size=12), min_size=5, max_size=5))
def test_every_line_that_is_written_is_read(columns):
    try:
        line = join_columns(columns)
    except InputError:
        assert any(not column.isprintable() or column != column.strip() for column in columns)
    else:
        assert split_columns(line) == columns


@given(st.binary(max_size=300))
def test_any_bytes_are_a_protocol_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        assert len(read_protocol(path, "train")) > 1


def test_names_that_look_the_same_are_the_same(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    (tmp_path / "p.txt").write_text(f"s {composed} - - bonafide\ns {decomposed} - A01 spoof\n")
    with pytest.raises(InputError, match=r"p\.txt:2: duplicate utterance 'é', first on .*p\.txt:1$"):
        read_protocol(tmp_path / "p.txt", "train")


def test_characters_that_cannot_be_seen_are_no_names_and_shift_no_line(tmp_path):
    (tmp_path / "p.txt").write_text("s a\x0bb - - bonafide\n\ns c\u200b - A01 spoof\n")
    with pytest.raises(InputError, match=r"p\.txt:1: 6 columns"):
        read_protocol(tmp_path / "p.txt", "train")
    (tmp_path / "p.txt").write_text("s a - - bonafide\n\ns c\u200b - A01 spoof\n")
    with pytest.raises(InputError, match=r"p\.txt:3: 'c\\u200b' cannot be a name"):
        read_protocol(tmp_path / "p.txt", "train")


def test_an_utterance_in_two_splits_is_refused_and_a_synthetic_voice_counted(tmp_path):
    paths = {split: tmp_path / f"{split}.txt" for split in ("train", "dev")}
    paths["train"].write_text("s1 a - - bonafide\nTTS b - A01 spoof\n")
    paths["dev"].write_text("s2 c - - bonafide\nTTS d - A01 spoof\n")
    assert shared_speakers(read_trials(paths, SHARES, 0)) == ["TTS"]
    paths["dev"].write_text("s1 c - - bonafide\nTTS d - A01 spoof\n")
    with pytest.raises(InputError, match=r"dev\.txt:1: speaker 's1' is in train too"):
        shared_speakers(read_trials(paths, SHARES, 0))
    paths["dev"].write_text("s2 c - - bonafide\nTTS a - A01 spoof\n")
    with pytest.raises(InputError, match=r"dev\.txt:2: utterance 'a' is in train too \(.*train\.txt:1\)"):
        read_trials(paths, SHARES, 0)


def test_protocols_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_protocol(tmp_path / "p.txt", "train")
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_protocol(tmp_path / "p.txt", "train")
