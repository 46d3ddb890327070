import pytest

from reprise.core.errors import InputError
from reprise.deepfake.data.protocols import read_protocol

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


def test_protocols_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="no such protocol file"):
        read_protocol(tmp_path / "p.txt", "train")
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_protocol(tmp_path / "p.txt", "train")
