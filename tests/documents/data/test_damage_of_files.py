"""Random bytes, truncation and damage: a reader answers, or says what is wrong in one line."""

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reprise.core.errors import InputError
from reprise.documents.data.images import decode
from reprise.documents.data.tables import read_classes, read_labels
from tests.documents.helpers import draw_page

FEW = settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])


def encoded(kind, **options):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 40, (48, 48, 3), np.uint8)
    Image.fromarray(np.asarray(draw_page("bars", 1, 48)) // 2 + noise).save(stream, kind, **options)
    return stream.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
VALID = {
    "jpeg": encoded("JPEG", exif=EXIF),
    "progressive": encoded("JPEG", progressive=True),
    "png": encoded("PNG", exif=EXIF),
    "tiff": encoded("TIFF", compression="tiff_lzw"),
    "raw tiff": encoded("TIFF"),
    "bmp": encoded("BMP"),
    "webp": encoded("WEBP", exif=EXIF),
    "gif": encoded("GIF"),
}


def check_line(error, path):
    assert str(error).startswith(str(path))
    assert "\n" not in str(error)


def answer(path):
    """The pixels, or None after one line that names the file."""
    try:
        decoded = decode(path, 32, 1.0)
    except InputError as error:
        check_line(error, path)
        return None
    assert decoded.pixels.shape == (32, 32, 3)
    return decoded.pixels


@FEW
@given(content=st.binary(max_size=400), start=st.sampled_from([b"", *(content[:24] for content in VALID.values())]))
def test_random_bytes(tmp_path, content, start):
    (tmp_path / "a.png").write_bytes(start + content)
    answer(tmp_path / "a.png")


@pytest.mark.parametrize("kind", VALID)
@FEW
@given(data=st.data())
def test_what_is_cut_off_is_never_made_up(tmp_path, kind, data):
    """Either nothing of the picture was cut off, or the file is refused."""
    whole = tmp_path / "whole.png"
    whole.write_bytes(VALID[kind])
    (tmp_path / "a.png").write_bytes(VALID[kind][: data.draw(st.integers(0, len(VALID[kind]) - 1))])
    pixels = answer(tmp_path / "a.png")
    assert pixels is None or np.array_equal(pixels, answer(whole))


@pytest.mark.parametrize("kind", VALID)
@FEW
@given(data=st.data())
def test_damage_is_an_answer_or_one_line(tmp_path, kind, data):
    content = bytearray(VALID[kind])
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=12)):
        content[place] = value
    (tmp_path / "a.png").write_bytes(content)
    answer(tmp_path / "a.png")


CSV = st.text(st.sampled_from('ab01,;"\n\r\t \u00e9\u0301=$\ufeff\x00'), max_size=60)


@FEW
@given(meta=st.one_of(CSV, st.binary(max_size=60)), labels=st.one_of(CSV, st.binary(max_size=60)))
def test_tables(tmp_path, meta, labels):
    for name, head, body in (("meta", "target,class_name\n0,a\n1,b\n", meta), ("train", "ID,target\n", labels)):
        content = body.encode() if isinstance(body, str) else body
        (tmp_path / f"{name}.csv").write_bytes(head.encode() + content)
    try:
        classes = read_classes(tmp_path / "meta.csv", "target")
        table = read_labels(tmp_path / "train.csv", "ID", "target", classes)
    except InputError as error:
        check_line(error, tmp_path)
        return
    assert len(set(classes.names)) == len(classes) >= 2
    assert table["target"].between(0, len(classes) - 1).all()
    assert not table["id"].duplicated().any()
