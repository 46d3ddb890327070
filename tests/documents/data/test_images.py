import io

import numpy as np
import pytest
from PIL import Image

from reprise.core.errors import InputError
from reprise.documents.data.images import ImageFolder, decode


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.PNG", "c.tar.png", "two.jpg", "two.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    (tmp_path / "secret.png").write_bytes((tmp_path / "images/b.PNG").read_bytes())
    (tmp_path / "images/notes.txt").write_text("no image")
    return ImageFolder(tmp_path / "images")


@pytest.mark.parametrize(
    ("identifier", "name"), [("a", "a.jpg"), ("a.jpg", "a.jpg"), ("b", "b.PNG"), ("c.tar", "c.tar.png")]
)
def test_ids_with_and_without_extension(folder, identifier, name):
    assert folder.find(identifier, "train.csv:2") == name


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("d", r"^train\.csv:2: ID 'd' has no image in .*images$"),
        ("notes", r"has no image"),
        ("two", r"could be any of two\.jpg, two\.png; add the extension"),
        ("../secret", r"points outside"),
        ("../../x", r"points outside"),
        ("/etc/passwd", r"points outside"),
        ("..\\secret.png", r"points outside"),
    ],
)
def test_ids_without_an_image_of_their_own(folder, identifier, message):
    with pytest.raises(InputError, match=message):
        folder.find(identifier, "train.csv:2")


def test_folders_without_images(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        ImageFolder(tmp_path / "none")
    with pytest.raises(InputError, match=r"no image in it; known extensions are \.jpg"):
        ImageFolder(tmp_path)


def gradient(size=64):
    """A page that is dark on the left and light on the right, in its upper half alone."""
    values = np.full((size, size), 255, np.uint8)
    values[: size // 2] = np.linspace(0, 255, size).astype(np.uint8)
    return values


def test_cmyk_sixteen_bits_transparency_and_palettes_show_the_same_page(tmp_path):
    plain = Image.fromarray(gradient()).convert("RGB")
    wide = Image.fromarray(gradient().astype(np.uint16) * 257)
    alpha = Image.new("RGBA", plain.size, (255, 0, 0, 0))  # a transparent page shows white, not its hidden red
    alpha.paste(plain, mask=Image.fromarray(np.where(gradient() < 255, 255, 0).astype(np.uint8)))
    plain.save(tmp_path / "plain.png")
    plain.convert("CMYK").save(tmp_path / "cmyk.tif")
    wide.save(tmp_path / "wide.png")
    alpha.save(tmp_path / "alpha.png")
    plain.convert("L").save(tmp_path / "grey.bmp")
    truth = decode(tmp_path / "plain.png", 32, 1.0)
    assert truth.handled == ()
    for name, handled in [
        ("cmyk.tif", ("cmyk",)),
        ("wide.png", ("sixteen_bit",)),
        ("alpha.png", ("transparent",)),
        ("grey.bmp", ()),
    ]:
        decoded = decode(tmp_path / name, 32, 1.0)
        assert decoded.handled == handled
        assert np.abs(decoded.pixels.astype(int) - truth.pixels).max() <= 2, name


@pytest.mark.parametrize(("orientation", "turns"), [(6, 1), (3, 2), (8, 3)])  # how a viewer shows the file
def test_exif_orientation_is_applied(tmp_path, orientation, turns):
    upright = gradient()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(upright, turns)).convert("RGB").save(tmp_path / "a.png", exif=exif)
    decoded = decode(tmp_path / "a.png", 64, 1.0)
    assert decoded.handled == ("exif_rotated",)
    assert np.array_equal(decoded.pixels[..., 0], upright)


def test_the_first_picture_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("blue", "red")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    decoded = decode(tmp_path / "a.gif", 8, 1.0)
    assert "animated" in decoded.handled
    assert (decoded.pixels[..., 2] > 250).all()


def test_decoding_at_a_fraction_of_a_jpeg_is_close_to_decoding_it_whole(tmp_path):
    generator = np.random.default_rng(0)
    page = Image.fromarray(generator.integers(0, 255, (40, 30, 3), np.uint8)).resize((1200, 1600))
    page.save(tmp_path / "a.jpg", quality=95)
    whole = np.asarray(Image.open(tmp_path / "a.jpg").resize((72, 72), Image.Resampling.BOX), dtype=int)
    assert np.abs(decode(tmp_path / "a.jpg", 72, 10.0).pixels - whole).mean() < 4


def truncated(kind):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(stream, kind)
    return stream.getvalue()[: len(stream.getvalue()) // 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.png: empty file"),
        (b"not an image", r"a\.png: not an image that can be read"),
        (truncated("PNG"), r"a\.png: damaged image: "),
        (truncated("JPEG"), r"a\.png: damaged image: "),
    ],
)
def test_damaged_images(tmp_path, content, message):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=message):
        decode(tmp_path / "a.png", 32, 1.0)


def test_decompression_bombs_are_refused_by_their_header_alone(tmp_path, monkeypatch):
    Image.new("1", (2000, 1000)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("was decompressed"))
    with pytest.raises(InputError, match=r"a\.png: 2000 x 1000 pixels, more than max_megapixels 1"):
        decode(tmp_path / "a.png", 32, 1.0)
