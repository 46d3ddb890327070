"""Finding and decoding images, whatever a person's folder holds."""

import dataclasses
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from reprise.core.errors import InputError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif")
ORIENTATION = 0x0112  # a tag of EXIF
CACHE_FACTOR = 1.125  # stored pages are so much larger than what a network sees, for crops and rotations to be sharp

Image.MAX_IMAGE_PIXELS = None  # `decode` has its own limit, with a line that says what to do


class ImageFolder:
    """The images under a folder, found by name with or without extension.

    Args:
        folder: read with its subfolders.

    Raises:
        InputError: no such folder, or no image in it.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of images")
        self.folder = folder
        self.files: set[str] = set()
        self.without_extension: dict[str, list[str]] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in EXTENSIONS and path.is_file():
                name = path.relative_to(folder).as_posix()
                self.files.add(name)
                self.without_extension.setdefault(name.removesuffix(path.suffix), []).append(name)
        if not self.files:
            raise InputError(f"{folder}: no image in it; known extensions are {', '.join(EXTENSIONS)}")

    def find(self, identifier: str, where: str) -> str:
        """Name, relative to the folder, of an id's image.

        Raises:
            InputError: the id points outside the folder, or has no image, or several; the line starts with `where`.
        """
        path = PurePosixPath(identifier)
        if path.is_absolute() or ".." in path.parts or "\\" in identifier:
            raise InputError(f"{where}: ID {identifier!r} points outside {self.folder}")
        if identifier in self.files:
            return identifier
        found = self.without_extension.get(identifier, [])
        if len(found) > 1:
            raise InputError(f"{where}: ID {identifier!r} could be any of {', '.join(found)}; add the extension")
        if not found:
            raise InputError(f"{where}: ID {identifier!r} has no image in {self.folder}")
        return found[0]


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A page as a square of uint8, and what was unusual about its file.

    Attributes:
        pixels: (size, size, 3) uint8.
        handled: any of cmyk, sixteen_bit, transparent, animated, exif_rotated.
    """

    pixels: np.ndarray
    handled: tuple[str, ...]


def decode(path: Path, size: int, max_megapixels: float) -> Decoded:
    """Read an image whole, upright as its EXIF says, in RGB, squeezed to a square.

    Raises:
        InputError: unreadable, truncated, or larger than `max_megapixels`.
    """
    try:
        with Image.open(path) as image:
            megapixels = image.width * image.height / 1e6
            if megapixels > max_megapixels:
                raise InputError(
                    f"{path}: {image.width} x {image.height} pixels, more than max_megapixels {max_megapixels:g}"
                )
            handled = []
            if getattr(image, "n_frames", 1) > 1:
                handled.append("animated")
                image.seek(0)
            turned = image.getexif().get(ORIENTATION, 1) != 1
            image.draft("RGB", (size, size))  # JPEG: decodes at a half, a quarter or an eighth where that is enough
            image.load()
            if turned:
                handled.append("exif_rotated")
            page, kind = to_rgb(ImageOps.exif_transpose(image) if turned else image)
            square = page.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0)
            return Decoded(np.asarray(square), (*handled, *kind))
    except UnidentifiedImageError:
        reason = "empty file" if path.stat().st_size == 0 else "not an image that can be read"
        raise InputError(f"{path}: {reason}") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises for damaged files
        raise InputError(f"{path}: damaged image: {error}") from None


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert to RGB: transparent pixels onto white, 16 bits to the upper 8."""
    if image.mode == "CMYK":
        return image.convert("RGB"), ("cmyk",)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        scale = 257.0 if image.mode.startswith("I") else max(1.0, values.max() / 255.0)
        return Image.fromarray(np.clip(values / scale, 0, 255).astype(np.uint8)).convert("RGB"), ("sixteen_bit",)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layers = image.convert("RGBA")
        white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layers).convert("RGB"), ("transparent",)
    return image.convert("RGB"), ()


def cache_size(image_size: int) -> int:
    """Side of the stored squares for a network that sees `image_size` pixels."""
    return round(CACHE_FACTOR * image_size)
