import io
import itertools
import os
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from reprise.core.errors import InputError
from reprise.documents.data.images import EXTENSIONS, ImageFolder, decode, files_below, image_files
from tests.documents.helpers import draw_page


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
        ("two", r"could be any of 'two\.jpg', 'two\.png'; add the extension"),
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


def in_bits(depth):
    return (gradient().astype(np.uint32) * (2**depth - 1) // 255).astype(np.uint16)


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


@pytest.mark.parametrize(
    ("name", "values", "handled"),
    [
        ("float01.tif", gradient() / np.float32(255), ("float",)),
        ("float11.tif", gradient() / np.float32(127.5) - np.float32(1), ("float",)),
        ("float255.tif", gradient().astype(np.float32), ("float",)),
        ("float9.tif", gradient() * np.float32(9) - np.float32(40), ("float", "own_range")),
        ("int8.tif", gradient().astype(np.int32), ("thirty_two_bit", "eight_bit_range")),
        ("int16.tif", gradient().astype(np.int32) * 257, ("thirty_two_bit", "sixteen_bit_range")),
        ("int32.tif", gradient().astype(np.int32) * 2**23, ("thirty_two_bit", "own_range")),
        (
            "twelve.png",
            in_bits(12),
            ("sixteen_bit", "twelve_bit_range"),
        ),
        ("ten.tif", in_bits(10), ("sixteen_bit", "ten_bit_range")),
        ("wide.png", gradient().astype(np.uint16) * 257, ("sixteen_bit",)),
    ],
)
def test_pixels_that_are_not_0_to_255_are_scaled(tmp_path, name, values, handled):
    Image.fromarray(values).save(tmp_path / name)
    decoded = decode(tmp_path / name, 64, 1.0)
    assert decoded.handled == handled
    assert np.abs(decoded.pixels[..., 0].astype(int) - gradient()).max() <= 1


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_what_resampling_adds_to_a_range_of_floats_is_cut_off(tmp_path, low):
    values = gradient() / np.float32(255) * np.float32(1 - low) + np.float32(low)
    values[0, :2] = low - 0.02, 1.03
    Image.fromarray(values).save(tmp_path / "a.tif")
    decoded = decode(tmp_path / "a.tif", 64, 1.0)
    assert decoded.handled == ("float",)
    assert np.abs(decoded.pixels[1:, :, 0].astype(int) - gradient()[1:]).max() <= 1


def test_floats_a_little_above_one_are_not_a_black_page(tmp_path):
    Image.fromarray(gradient() / np.float32(255) * 2).save(tmp_path / "a.tif")
    decoded = decode(tmp_path / "a.tif", 64, 1.0)
    assert decoded.handled == ("float", "own_range")
    assert np.abs(decoded.pixels[..., 0].astype(int) - gradient()).max() <= 1


def test_a_few_outliers_leave_a_page_its_contrast(tmp_path):
    values = gradient() / np.float32(255)
    values[3, 3] = 1e30
    Image.fromarray(values).save(tmp_path / "a.tif")
    decoded = decode(tmp_path / "a.tif", 64, 1.0)
    assert decoded.handled == ("float", "own_range")
    assert np.abs(np.delete(decoded.pixels[..., 0], 3, 0).astype(int) - np.delete(gradient(), 3, 0)).max() <= 2


def test_the_range_that_a_tiff_states_and_white_as_nought(tmp_path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[340], tags[341] = 0.0, 2.0
    tags.tagtype[340] = tags.tagtype[341] = 11
    Image.fromarray(gradient() / np.float32(255)).save(tmp_path / "stated.tif", tiffinfo=tags)
    assert decode(tmp_path / "stated.tif", 64, 1.0).pixels.max() == 128
    inverted = TiffImagePlugin.ImageFileDirectory_v2()
    inverted[262] = 0
    Image.fromarray((255 - gradient()).astype(np.uint16) * 257).save(tmp_path / "white.tif", tiffinfo=inverted)
    with Image.open(tmp_path / "white.tif") as image:
        assert image.tag_v2[262] == 0  # type: ignore[attr-defined]  # a TIFF has them
    assert np.abs(decode(tmp_path / "white.tif", 64, 1.0).pixels[..., 0].astype(int) - gradient()).max() <= 1


PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG's number of that kind of colour


def sixteen_bit_png(channels):
    """A PNG of 16-bit channels (H, W, n), which Pillow reads and does not write."""
    height, width, count = channels.shape
    raw = b"".join(b"\0" + row.tobytes() for row in channels.astype(">u2"))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, PNG_COLOURS[count], 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def tiff(values, sample_format, photometric, planes=1, order="<"):
    """A TIFF of values (H, W) or (H, W, n), of kinds that Pillow does not write; with `planes` 2 colours lie apart."""
    height, width, *rest = values.shape
    count = rest[0] if rest else 1
    apart = count if planes == 2 else 1
    stored = np.moveaxis(values, -1, 0) if planes == 2 else values
    data = np.ascontiguousarray(stored).astype(values.dtype.newbyteorder(order)).tobytes()
    bits, size = [8 * values.dtype.itemsize] * count, len(data) // apart
    entries = {256: [width], 257: [height], 258: bits, 259: [1], 262: [photometric], 273: [0] * apart, 277: [count]}
    entries |= {278: [height], 279: [size] * apart, 284: [planes], 339: [sample_format] * count}
    after = 8 + 2 + 12 * len(entries) + 4
    place = after + sum(4 * len(own) for own in entries.values() if len(own) > 1)
    entries[273] = [place + number * size for number in range(apart)]
    directory, beyond = b"", b""
    for tag, own in entries.items():
        packed = struct.pack(f"{order}{len(own)}I", *own)
        where = packed if len(own) == 1 else struct.pack(order + "I", after + len(beyond))
        beyond += packed if len(own) > 1 else b""
        directory += struct.pack(order + "HHI", tag, 4, len(own)) + where
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    return start + struct.pack(order + "H", len(entries)) + directory + bytes(4) + beyond + data


@pytest.mark.parametrize(("bits", "handled"), [(16, ("sixteen_bit",)), (12, ("sixteen_bit", "twelve_bit_range"))])
@pytest.mark.parametrize("kind", ["grey and alpha", "colour", "colour and alpha", "narrow alpha", "inks", "tiff"])
def test_wide_colour_is_not_black(tmp_path, bits, handled, kind):
    grey, opaque = in_bits(bits), np.full((64, 64), 65535, np.uint16)
    alpha = opaque if kind != "narrow alpha" else opaque // 2 ** (16 - bits)
    layers = {"grey and alpha": [grey, alpha], "inks": [0 * grey, 0 * grey, 0 * grey, in_bits(bits)[0, -1] - grey]}
    channels = np.stack(layers.get(kind, [grey] * 3 + ([alpha] if "alpha" in kind else [])), -1)
    content = (
        sixteen_bit_png(channels) if kind not in ("inks", "tiff") else tiff(channels, 1, 5 if kind == "inks" else 2)
    )
    (tmp_path / "a.png").write_bytes(content)
    decoded = decode(tmp_path / "a.png", 64, 1.0)
    also = {"inks": ("cmyk",)}.get(kind, ("transparent",) if "alpha" in kind else ())
    assert decoded.handled == handled + also
    assert np.abs(decoded.pixels[..., 0].astype(int) - gradient()).max() <= (1 if bits == 16 else 17)


@pytest.mark.parametrize("order", "<>")
def test_signed_pixels_of_eight_bits(tmp_path, order):
    (tmp_path / "a.tif").write_bytes(tiff((gradient().astype(int) - 128).astype(np.int8), 2, 1, order=order))
    decoded = decode(tmp_path / "a.tif", 64, 1.0)
    assert decoded.handled == ("signed_eight_bit",)
    assert np.array_equal(decoded.pixels[..., 0], gradient())


def test_colours_in_separate_planes(tmp_path):
    colours = np.stack([gradient(), 255 - gradient(), gradient().T], -1)
    (tmp_path / "a.tif").write_bytes(tiff(colours, 1, 2, planes=2))
    assert np.array_equal(decode(tmp_path / "a.tif", 64, 1.0).pixels, colours)
    (tmp_path / "a.tif").write_bytes(tiff(colours.astype(np.uint16) * 257, 1, 2, planes=2))
    with pytest.raises(InputError, match=r"a\.tif: a TIFF of more than 8 bits a colour, in separate planes"):
        decode(tmp_path / "a.tif", 64, 1.0)


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_pixels_that_pillow_does_not_know(tmp_path, kind):
    (tmp_path / "a.tif").write_bytes(tiff((gradient() / 255).astype(kind), 3, 1))
    with pytest.raises(
        InputError, match=r"a\.tif: .* a TIFF with a kind of pixels that cannot be read; save it with 8"
    ):
        decode(tmp_path / "a.tif", 64, 1.0)


def test_damage_that_libtiff_alone_tells_is_refused_and_quiet(tmp_path, capfd):
    stream = io.BytesIO()
    Image.fromarray(gradient()).convert("1").save(stream, "TIFF", compression="group4")
    content = bytearray(stream.getvalue())
    content[30] ^= 0xFF
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif: damaged image: Fax4Decode"):
        decode(tmp_path / "a.tif", 64, 1.0)
    assert capfd.readouterr().err == ""


def test_threads_tell_damaged_files_from_whole_ones(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 2, (1000, 1000)).astype(bool)
    Image.fromarray(pixels).save(tmp_path / "whole.tif", compression="group4")
    content = bytearray((tmp_path / "whole.tif").read_bytes())
    content[30] ^= 0xFF
    (tmp_path / "damaged.tif").write_bytes(content)

    def is_refused(path: Path) -> bool:
        try:
            decode(path, 128, 1.0)
        except InputError:
            return True
        return False

    before = os.fstat(2).st_ino
    with ThreadPoolExecutor(4) as pool:
        refused = list(pool.map(is_refused, [tmp_path / "whole.tif", tmp_path / "damaged.tif"] * 100))
    assert refused == [False, True] * 100
    assert os.fstat(2).st_ino == before


def test_pixels_that_are_no_numbers_are_refused(tmp_path):
    values = gradient().astype(np.float32)
    values[3, 3] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: has pixels that are NaN or infinite"):
        decode(tmp_path / "a.tif", 32, 1.0)


@pytest.mark.parametrize("value", [0, 255])
def test_a_page_of_one_colour_is_said_to_be_one(tmp_path, value):
    Image.new("L", (40, 40), value).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 32, 1.0).handled == ("constant",)


def test_a_speck_leaves_a_page_of_one_colour_and_a_line_does_not(tmp_path):
    page = Image.new("L", (40, 40), 200)
    page.putpixel((0, 0), 0)
    page.save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 40, 1.0).handled == ("constant",)
    page.paste(0, (5, 5, 30, 6))
    page.save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 40, 1.0).handled == ()


def test_one_colour_is_told_from_a_few_pixels_as_from_all(tmp_path):
    generator = np.random.default_rng(0)
    found = []
    for side, specks, noise in itertools.product((1, 9, 64, 150), (0, 1, 5, 40), (0, 2, 3)):
        pixels = np.full((side, side, 3), 100) + generator.integers(-noise, noise + 1, (side, side, 3))
        pixels[tuple(generator.integers(0, side, (2, specks)))] = 0
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png")
        apart = np.abs(pixels - np.median(pixels, axis=(0, 1))).max(axis=2) > 2
        found.append(apart.mean() <= 1e-3)
        assert (decode(tmp_path / "a.png", side, 1.0).handled == ("constant",)) == found[-1]
    assert 10 < sum(found) < 38


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_is_no_rotation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient()).convert("RGB").save(tmp_path / "a.png", exif=exif)
    decoded = decode(tmp_path / "a.png", 64, 1.0)
    assert decoded.handled == ()
    assert np.array_equal(decoded.pixels[..., 0], gradient())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_never_stops_a_page(tmp_path, kind):
    generator = np.random.default_rng(0)
    for number in range(40):
        exif = bytearray(b"Exif\0\0II*\0\x08\0\0\0" + generator.bytes(40))
        if number % 2:
            exif = exif[: 6 + number // 2]
        path = tmp_path / f"{number}.{kind.lower()}"
        Image.fromarray(gradient()).convert("RGB").save(path, kind, exif=bytes(exif))
        assert decode(path, 32, 1.0).pixels.std() > 10


def test_all_eight_orientations_are_those_of_pillow(tmp_path):
    page = np.asarray(draw_page("bars", 3, 64))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(page).save(tmp_path / "a.png", exif=exif)
        with Image.open(tmp_path / "a.png") as image:
            expected = np.asarray(ImageOps.exif_transpose(image))
        assert np.array_equal(decode(tmp_path / "a.png", 64, 1.0).pixels, expected)


def test_only_the_formats_that_are_meant_are_opened(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    with pytest.raises(InputError, match=r"a\.png: not an image that can be read \(JPEG, PNG, TIFF, BMP, WEBP, GIF\)"):
        decode(tmp_path / "a.png", 32, 1.0)


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(tmp_path):
    stream = io.BytesIO()
    draw_page("bars", 0).save(stream, "JPEG", progressive=True)
    assert decode_bytes(tmp_path, "a.jpg", stream.getvalue()).handled == ()
    start = stream.getvalue().rindex(b"\xff\xda")
    scan = stream.getvalue()[start:-2]
    with pytest.raises(InputError, match=r"a\.jpg: a JPEG of \d+ scans, more than 100"):
        decode_bytes(tmp_path, "a.jpg", stream.getvalue()[:-2] + 200 * scan + b"\xff\xd9")


def decode_bytes(folder, name, content):
    (folder / name).write_bytes(content)
    return decode(folder / name, 32, 1.0)


def test_a_webp_that_promises_a_large_canvas_is_refused_before_its_memory_is_taken(tmp_path, monkeypatch):
    stream = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("blue", "red")]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:])
    content = bytearray(stream.getvalue())
    content[24:30] = b"\xfe\x3f\x00" * 2
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("was opened"))
    with pytest.raises(InputError, match=r"a\.webp: 16383 x 16383 pixels, more than max_megapixels 1"):
        decode_bytes(tmp_path, "a.webp", bytes(content))


def test_the_pages_of_a_tiff_are_not_counted(tmp_path):
    pages = [Image.new("L", (4, 4), 200)] * 2000
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    started = time.perf_counter()
    assert "animated" in decode(tmp_path / "a.tif", 8, 1.0).handled
    assert time.perf_counter() - started < 0.2


def test_names_are_found_however_their_accents_are_composed(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    Image.new("RGB", (8, 8)).save(tmp_path / f"{decomposed}.png")
    assert ImageFolder(tmp_path).find(composed, "train.csv:2") == f"{decomposed}.png"
    Image.new("RGB", (8, 8)).save(tmp_path / f"{composed}.png")
    with pytest.raises(InputError, match=r"could be any of .*rename one"):
        ImageFolder(tmp_path).find(f"{composed}.png", "train.csv:2")


def test_a_file_name_that_is_not_utf8_disturbs_no_other(tmp_path):
    for name in (b"\xff\xfe.png", b"a.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / os.fsdecode(name))
    assert ImageFolder(tmp_path).find("a", "train.csv:2") == "a.png"


def test_what_is_no_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nowhere.png").symlink_to("gone.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    said = {
        "pipe": "a pipe or a device",
        "loop": "Too many levels",
        "nowhere": "no such file",
        "zero": "a pipe or a device",
        "folder": "a folder; expected a file",
        "y" * 300: "File name too long",
    }
    for name, message in said.items():
        with pytest.raises(InputError, match=f"{name}.png: {message}"):
            decode(tmp_path / f"{name}.png", 32, 1.0)
    listed = [path.stem for path in image_files(tmp_path)]
    assert listed == ["loop", "nowhere", "pipe", "zero"], "what cannot be read is not passed in silence"


def test_files_are_listed_in_the_order_and_with_the_endings_of_pathlib(tmp_path):
    for name in (
        "b/x.PNG",
        "b/.jpg",
        "b/..jpg",
        "b/y..jpg",
        "b/bare",
        "b/bare.",
        "b.jpg",
        "b-c/z.jpeg",
        "a.b/deep/é.tif",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked.png").symlink_to(tmp_path / "b.jpg")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "lost.png").symlink_to(tmp_path / "nothing")
    found = sorted(path for path in tmp_path.rglob("*") if not path.is_dir())
    assert files_below(tmp_path) == [path.relative_to(tmp_path).as_posix() for path in found]
    assert image_files(tmp_path) == [path for path in found if path.suffix.lower() in EXTENSIONS]


def test_a_linked_folder_is_refused_and_a_linked_file_or_root_is_not(tmp_path):
    (tmp_path / "cache").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "cache/ab.png")
    pages = tmp_path / "pages"
    (pages / "invoice").mkdir(parents=True)
    (pages / "invoice/a.png").symlink_to(tmp_path / "cache/ab.png")
    (tmp_path / "root").symlink_to(pages)
    assert files_below(pages) == files_below(tmp_path / "root") == ["invoice/a.png"]
    for target in (tmp_path / "cache", pages):  # the second is a cycle
        (pages / "letter").symlink_to(target)
        with pytest.raises(InputError, match="pages/letter: a link to a folder, which is not followed") as error:
            image_files(pages)
        assert "\n" not in str(error.value)
        (pages / "letter").unlink()
