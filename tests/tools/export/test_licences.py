"""Which weights of others may travel."""

from pathlib import Path

import pytest

from reprise.core.errors import InputError
from reprise.onnx.graphs import Agreement, Contents, Pretrained
from reprise.tools.export.licences import judge_parts, write_notices


def contents(*pretrained: Pretrained) -> Contents:
    return Contents({}, {}, pretrained, list, {}, lambda folder, count, seed: Agreement(1, 0.0, 1, 1), "", "")


def one(name, stated=None, **facts):
    (part,) = judge_parts(contents(Pretrained(name, "network", **facts)), stated)
    return part.licence, part.packed


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", "apache-2.0"),
        ("timm/tf_efficientnet_lite0.in1k", "apache-2.0"),
        ("openai/whisper-tiny", "mit"),
    ],
)
def test_known_weights_are_packed(name, licence):
    assert one(name) == (licence, True)


def test_a_library_or_a_person_may_know_the_licence():
    assert one("timm/other.in1k", licence="apache-2.0") == ("apache-2.0", True)
    assert one("a/b", stated="bigscience-openrail-m") == ("bigscience-openrail-m", True)
    assert one("a/b", licence="cc-by-nc-4.0", separate=("encoder/x",)) == ("cc-by-nc-4.0", False)


def test_unknown_weights_are_named_where_they_stand_apart_and_refused_where_they_are_mixed():
    assert one("a/b", separate=("encoder/x",)) == (None, False)
    with pytest.raises(InputError, match=r"^a/b: its licence is not known here, .*--pretrained-licence apache-2.0$"):
        one("a/b")
    with pytest.raises(InputError, match=r"^a/b: its licence is cc-by-nc-4.0, "):
        one("a/b", licence="cc-by-nc-4.0")


def test_notices_hold_the_licence_texts_of_what_is_packed(tmp_path: Path):
    known = [
        Pretrained("openai/whisper-tiny", "speech encoder"),
        Pretrained("timm/tf_efficientnet_lite0.in1k", "network"),
    ]
    write_notices(tmp_path, judge_parts(contents(*known, Pretrained("a/b", "x", separate=("y",))), None))
    assert "Copyright (c) 2022 OpenAI" in (tmp_path / "LICENSE-mit.txt").read_text()
    assert "Version 2.0, January 2004" in (tmp_path / "LICENSE-apache-2.0.txt").read_text()
    notice = (tmp_path / "NOTICE.md").read_text()
    assert notice.count("\n- ") == 2
    assert "a/b" not in notice
    other = tmp_path / "other"
    other.mkdir()
    write_notices(other, [])
    assert list(other.iterdir()) == []
