"""Finding and decoding images, whatever a person's folder holds."""

import contextlib
import dataclasses
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from reprise.core.errors import InputError
from reprise.core.files import refuse_linked_folders
from reprise.core.standard_error import standard_error_to
from reprise.core.text import compose_name

EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
SPELLINGS = {".jpeg": ".jpg", ".tiff": ".tif"}
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")  # no others: EPS, for one, would be handed to Ghostscript
CACHE_FACTOR = 1.125  # stored pages are so much larger than what a network sees, for crops and rotations to be sharp
MAX_FILE_BYTES = 2**30
MAX_SCANS = 100  # of a progressive JPEG, each of which goes over the whole page; encoders write about ten
DEPTHS = {8: "eight", 10: "ten", 12: "twelve", 14: "fourteen", 16: "sixteen"}  # bits that cameras and scanners fill
OVERSHOOT = 0.05  # of a range of floats, by which resampling leaves it
DARKEST = 25  # floats that stay below are not taken for 0 ... 255: the page would be black
OUTLIERS = (0.1, 99.9)  # percentiles that make a float page's own range, where the whole range is
FAR = 10  # times as wide
SAME_LEVELS, OTHER_SHARE = 2, 1e-3  # of a pixel from the median; of pixels farther off, on a page of one colour
STORED = {2: "sixteen_bit", 4: "thirty_two_bit"}  # bytes of an integer pixel

ORIENTATION, SMALLEST, LARGEST, SAMPLE_FORMAT, PHOTOMETRIC = 274, 340, 341, 339, 262  # tags of EXIF and TIFF
BITS, PLANES = 258, 284
UNSIGNED, SIGNED, WHITE_IS_ZERO, SEPARATE = 1, 2, 0, 2
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TURNS = {  # orientation -> how the stored picture is put upright; anything else is no orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.MAX_IMAGE_PIXELS = None  # `decode` has its own limit, with a line that says what to do


class FileNames:
    """Names of files, found with or without their extension, or with that of another spelling.

    Args:
        names: with folders, as they are.
        preferred: the extension that decides where only extensions differ; empty: none.
    """

    def __init__(self, names: Iterable[str], preferred: str = "") -> None:
        self.preferred = preferred.lower()
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for name in names:
            self._by_name.setdefault(compose_name(name), []).append(name)
            self._by_stem.setdefault(compose_name(name.removesuffix(PurePosixPath(name).suffix)), []).append(name)

    def find(self, identifier: str) -> list[str]:
        """All names that an id may mean: one where it is clear.

        First the name itself counts, then one without its extension; then the id's own extension is left off, for it
        may be spelt otherwise in the folder (`.JPG`, `.jpeg`), or the file may have none.
        """
        name = compose_name(identifier)
        if found := self._by_name.get(name) or self._by_stem.get(name):
            return self._decide(found, self.preferred)
        extension = PurePosixPath(name).suffix
        if extension.lower() not in EXTENSIONS:
            return []
        stem = name.removesuffix(extension)
        found = self._by_stem.get(stem, [])
        alike = [each for each in found if _kind(each) == _kind(name)]
        return self._decide(alike or found, self.preferred)

    @staticmethod
    def _decide(found: list[str], extension: str) -> list[str]:
        chosen = [name for name in found if PurePosixPath(name).suffix.lower() == extension]
        return chosen if len(chosen) == 1 else found


def _kind(name: str) -> str:
    """Extension without its spellings: `.JPG` and `.jpeg` are one."""
    extension = PurePosixPath(name).suffix.lower()
    return SPELLINGS.get(extension, extension)


class ImageFolder:
    """The images under a folder, found by name with or without extension.

    Args:
        folder: read with its subfolders.
        preferred: the extension that decides where only extensions differ; empty: none.

    Raises:
        InputError: no such folder, no image in it, or a folder below that is a link.
    """

    def __init__(self, folder: Path, preferred: str = "") -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of images")
        self.folder = folder
        names = files_below(folder)
        self.files = _images_of(folder, names)
        bare = (name for name in names if not _extension(name) and (folder / name).is_file())
        self._names, self._bare = FileNames(self.files, preferred), FileNames(bare)

    def find(self, identifier: str, where: str) -> str:
        """Name, relative to the folder, of an id's image; a file without an extension counts where an id names it.

        Raises:
            InputError: the id points outside the folder, or has no image, or several; the line starts with `where`.
        """
        path = PurePosixPath(identifier)
        if path.is_absolute() or ".." in path.parts or "\\" in identifier:
            raise InputError(f"{where}: ID {identifier!r} points outside {self.folder}")
        found = self._names.find(identifier) or self._bare.find(identifier)
        if len(found) > 1:
            hint = "rename one" if len({PurePosixPath(name).suffix for name in found}) == 1 else "add the extension"
            raise InputError(f"{where}: ID {identifier!r} could be any of {', '.join(map(repr, found))}; {hint}")
        if not found:
            raise InputError(f"{where}: ID {identifier!r} has no image in {self.folder}")
        return found[0]


def image_files(folder: Path) -> list[Path]:
    """List the images under a folder by name; a link that leads nowhere is one, so that it is not passed in silence.

    Raises:
        InputError: there is none, or a folder below is a link.
    """
    return [folder / name for name in image_names(folder)]


def image_names(folder: Path) -> list[str]:
    """List as `image_files` does, by name relative to the folder."""
    return _images_of(folder, files_below(folder))


def files_below(folder: Path) -> list[str]:
    """List what lies under a folder and is no folder, by name relative to it.

    Strings, for the sake of folders of many pages: a hundred thousand paths take seconds to make and to sort.

    Raises:
        InputError: a folder below is a link.
    """
    names = []
    for place, folders, files in os.walk(folder):
        refuse_linked_folders(place, folders)
        below = Path(place).relative_to(folder).as_posix()
        names += files if below == "." else [f"{below}/{name}" for name in files]
    return sorted(names, key=lambda name: name.split("/"))


def _images_of(folder: Path, names: list[str]) -> list[str]:
    if found := [name for name in names if _extension(name).lower() in EXTENSIONS]:
        return found
    raise InputError(f"{folder}: no image in it; known extensions are {', '.join(EXTENSIONS)}")


def _extension(name: str) -> str:
    """What pathlib calls a name's suffix."""
    dot = name.rfind(".", name.rfind("/") + 1)
    return name[dot:] if name.rfind("/") + 1 < dot < len(name) - 1 else ""


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A page as a square of uint8, and what was unusual about its file.

    Attributes:
        pixels: (size, size, 3) uint8.
        handled: any of animated, cmyk, constant, damaged_exif, exif_rotated, float, own_range (scaled by its own least
            and largest pixel), signed_eight_bit, sixteen_bit, thirty_two_bit, ten_bit_range and the like (the bits
            that its pixels fill), transparent.
    """

    pixels: np.ndarray
    handled: tuple[str, ...]


def decode(path: Path, size: int, max_megapixels: float) -> Decoded:
    """Read an image whole, upright as its EXIF says, in RGB, squeezed to a square.

    Raises:
        InputError: unreadable, damaged, or too large: in pixels (`max_megapixels`), bytes or scans.
    """
    try:
        _refuse_large_file(path, max_megapixels)
        with Image.open(path, formats=FORMATS) as image:
            _refuse_large_image(path, image.width, image.height, max_megapixels)
            _refuse_wide_planes(image)
            handled = ["animated"] if _has_second_frame(image) else []
            wide_colour = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
            orientation, damaged = _read_orientation(image)
            image.draft("RGB", (size, size))  # JPEG: decodes at a half, a quarter or an eighth where that is enough
            with damage_that_libtiff_tells() if image.format == "TIFF" else contextlib.nullcontext():
                image.load()
            colours, wide = stretch_colour(image) if wide_colour and len(image.getbands()) > 1 else (image, ())
            page, kinds = to_rgb(colours)
            handled += [*damaged, *wide, *kinds]
            square = page.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
            if orientation in TURNS:
                square = square.transpose(TURNS[orientation])
                handled.append("exif_rotated")
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: {_why_unidentified(path)}") from None
    except TimeoutError:
        raise
    except OSError as error:
        if error.filename is None:  # Pillow's, of a damaged file; those of the system name it
            raise InputError(f"{path}: damaged image: {error}") from None
        raise InputError(f"{path}: {'no such file' if error.errno == 2 else error.strerror}") from None
    except MemoryError:
        raise InputError(f"{path}: too large for the memory that is free") from None
    except Exception as error:
        # Pillow has no set of exceptions for damaged files: its parsers let pass whatever the bytes lead them to, such
        # as OSError, SyntaxError, ValueError, OverflowError, KeyError, IndexError, AttributeError, struct.error and
        # zlib.error, and others with each version. Any of them says that this file cannot be read, and none is lost.
        raise InputError(f"{path}: damaged image: {str(error) or type(error).__name__}") from None
    pixels = np.asarray(square)
    if _of_one_colour(pixels):
        handled.append("constant")
    return Decoded(pixels, tuple(handled))


def _why_unidentified(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        return "empty file"
    if start in TIFF_STARTS:
        return "damaged, or a TIFF with a kind of pixels that cannot be read; save it with 8 or 16 bits a colour"
    return f"not an image that can be read ({', '.join(FORMATS)})"


@contextlib.contextmanager
def damage_that_libtiff_tells() -> Iterator[None]:
    """Refuse what libtiff finds wrong in the block: it says so on standard error, and Pillow hands out the pixels.

    Raises:
        InputError: with the first thing that is wrong.
    """
    with tempfile.TemporaryFile() as told:
        with standard_error_to(told.fileno()):
            yield
        told.seek(0)
        if lines := told.read().decode(errors="replace").split("\n")[0].strip():
            raise InputError(f"damaged image: {lines}")


def _refuse_wide_planes(image: Image.Image) -> None:
    """Refuse colours that lie apart and are wider than 8 bits: Pillow takes the first bytes of each plane for all."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(PLANES) == SEPARATE and max(tags.get(BITS, (1,))) > 8:
        raise InputError("a TIFF of more than 8 bits a colour, in separate planes, which cannot be read")


def _refuse_large_file(path: Path, max_megapixels: float) -> None:
    """Check what can be checked before Pillow allocates memory: bytes, scans of a JPEG, pixels of a WebP."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise InputError(
            f"{path}: {'a folder' if stat.S_ISDIR(found.st_mode) else 'a pipe or a device'}; expected a file"
        )
    length = found.st_size
    if length > MAX_FILE_BYTES:
        raise InputError(f"{path}: {length} bytes, more than {MAX_FILE_BYTES}")
    with path.open("rb") as file:
        start = file.read(32)
        scans = (start + file.read()).count(b"\xff\xda") if start.startswith(b"\xff\xd8") else 0
    if scans > MAX_SCANS:  # a marker can be told from compressed data, where a zero follows each FF
        raise InputError(f"{path}: a JPEG of {scans} scans, more than {MAX_SCANS}")
    if start[:4] == b"RIFF" and start[12:16] == b"VP8X":  # Pillow takes the whole canvas's memory as it opens the file
        width, height = (1 + int.from_bytes(start[place : place + 3], "little") for place in (24, 27))
        _refuse_large_image(path, width, height, max_megapixels)


def _refuse_large_image(path: Path, width: int, height: int, max_megapixels: float) -> None:
    if width * height / 1e6 > max_megapixels:
        raise InputError(f"{path}: {width} x {height} pixels, more than max_megapixels {max_megapixels:g}")


def _has_second_frame(image: Image.Image) -> bool:
    """Look for a second frame; counting all frames of a TIFF would read it to its end."""
    try:
        if image.format != "TIFF":
            return bool(getattr(image, "is_animated", False))
        image.seek(1)
    except Exception:  # EOFError at the end of the file; as in `decode` at damage behind the frame that is read
        return False
    finally:
        image.seek(0)
    return True


def _read_orientation(image: Image.Image) -> tuple[int | None, tuple[str, ...]]:
    """Read EXIF's orientation, and whether EXIF is damaged: that never stops a page."""
    try:
        orientation = image.getexif().get(ORIENTATION)
    except Exception:  # as in `decode`; the caller reports it
        return None, ("damaged_exif",)
    return (orientation if isinstance(orientation, int) else None), ()


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert to RGB: transparent pixels onto white, wide pixels to 8 bits.

    Returns:
        The image, and what was unusual about it.

    Raises:
        InputError: a pixel is NaN or infinite.
    """
    if image.mode == "CMYK":
        return image.convert("RGB"), ("cmyk",)
    tags = getattr(image, "tag_v2", {})
    signed = image.mode == "L" and tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0] == SIGNED
    if image.mode.startswith("I") or image.mode == "F" or signed:
        stored = np.asarray(image)
        values, kinds = to_uint8(stored.view(np.int8) if signed else stored, tags)
        return Image.fromarray(values).convert("RGB"), kinds
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layers = image.convert("RGBA")
        white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layers).convert("RGB"), ("transparent",)
    return image.convert("RGB"), ()


def to_uint8(values: np.ndarray, tags: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Scale wide pixels to 0 ... 255 by the range that they were written with.

    That is the range of TIFF's tags where there are any; for floats 0 ... 1, -1 ... 1 or 0 ... 255, whichever is the
    first to hold all but what resampling adds; for integers that of the smallest usual depth that holds all; else the
    pixels' own range, without a few pixels that lie far off.

    Args:
        values: (H, W) of an integer or a float type.
        tags: of a TIFF, by number.

    Returns:
        (H, W) uint8, and the kind of the pixels.

    Raises:
        InputError: a pixel is NaN or infinite.
    """
    if tags and values.dtype == np.int32 and tags.get(SAMPLE_FORMAT, (UNSIGNED,))[0] == UNSIGNED:
        values = values.view(np.uint32)  # Pillow has no unsigned 32 bits
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise InputError("has pixels that are NaN or infinite")
    usual = {(0.0, 1.0): "", (-1.0, 1.0): "", (0.0, 255.0): ""}
    kind = "float"
    if values.dtype == np.int8:
        usual, kind = {(-128.0, 127.0): ""}, "signed_eight_bit"
    elif values.dtype.kind in "iu":
        usual = {(0.0, 2.0**depth - 1): f"{name}_bit_range" for depth, name in DEPTHS.items()}
        kind = STORED[values.dtype.itemsize]
    stored = _tagged_range(tags)
    ranges = [*([] if stored is None else [stored]), *usual]
    found = next((each for each in ranges if _holds(each, low, high, kind)), None)
    black, white = found or _own_range(values, low, high)
    note = "own_range" if found is None else usual.get(found, "")
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        black, white = white, black
    scaled = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), 256):  # in strips: floats of a large page would take several times its memory
        strip = values[row : row + 256].astype(np.float32)
        strip -= np.float32(black)
        strip *= np.float32(255 / ((white - black) or 1))
        scaled[row : row + 256] = strip.clip(0, 255, out=strip).round(out=strip)
    return scaled, (kind, note) if note and note != f"{kind}_range" else (kind,)


def _holds(limits: tuple[float, float], low: float, high: float, kind: str) -> bool:
    """Whether pixels of a kind were most likely written within these limits."""
    if kind != "float":
        return limits[0] <= low and high <= limits[1]
    margin = OVERSHOOT * (limits[1] - limits[0])
    return limits[0] - margin <= low and high <= limits[1] + margin and (limits != (0.0, 255.0) or high >= DARKEST)


def _own_range(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Least and largest pixel, but for a few outliers that would leave one colour to all others."""
    inner = np.percentile(values, OUTLIERS).tolist()
    return (inner[0], inner[1]) if 0 < FAR * (inner[1] - inner[0]) < high - low else (low, high)


def _of_one_colour(pixels: np.ndarray) -> bool:
    """Whether next to no pixel of (S, S, 3) uint8 differs from the others."""
    # Of a page of one colour, a few pixels have their median within SAME_LEVELS of the page's.
    few = _far_from_median(pixels[::8, ::8], 2 * SAME_LEVELS)
    if few > OTHER_SHARE * pixels[..., 0].size:
        return False
    return _far_from_median(pixels, SAME_LEVELS) <= OTHER_SHARE * pixels[..., 0].size


def _far_from_median(pixels: np.ndarray, levels: int) -> int:
    """Number of the pixels (H, W, 3) uint8 that are more than so many levels from the median colour."""
    return int((np.abs(pixels.astype(np.int16) - np.median(pixels, axis=(0, 1))) > levels).any(axis=2).sum())


def stretch_colour(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Stretch colours of which Pillow kept the upper 8 of 16 bits, where the file fills fewer.

    Transparency is stretched with them where it fills no more.
    """
    highest = {band: int(np.max(image.getchannel(band).getextrema())) for band in image.getbands()}
    alpha = highest.pop("A", 0)
    brightest = max(highest.values()) or alpha
    for depth, name in DEPTHS.items():
        limit = 2 ** (depth - 8) - 1
        if 0 < brightest <= limit < 255:
            table = [min(255, round(value * 255 / limit)) for value in range(256)]
            same = list(range(256))
            tables = [same if band == "A" and alpha > limit else table for band in image.getbands()]
            return image.point([value for own in tables for value in own]), ("sixteen_bit", f"{name}_bit_range")
    return image, ("sixteen_bit",)


def _tagged_range(tags: Any) -> tuple[float, float] | None:
    """The least and largest value that a TIFF's tags promise, where they make sense."""
    try:
        low, high = (float(np.ravel(tags[tag])[0]) for tag in (SMALLEST, LARGEST))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return (low, high) if low < high else None


def cache_size(image_size: int) -> int:
    """Side of the stored squares for a network that sees `image_size` pixels."""
    return round(CACHE_FACTOR * image_size)
