"""Lines of `key<TAB>value`: the shape of every input file of the taxonomy task."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from reprise.core.errors import InputError


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Read the lines of a UTF-8 file with their numbers, from 1; blank lines are skipped, but counted.

    Only `\n` and `\r\n` end a line: str.splitlines would also split at U+2028, U+0085 or a form feed, which texts
    contain. A byte order mark at the start is dropped.

    Raises:
        InputError: the file is missing, or a line is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file") from None
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}:{number}: byte {error.start + 1} of the line is not UTF-8 (0x{line[error.start]:02x})"
            ) from None
        if text.strip():
            yield number, text


def read_pairs(path: Path, expected: str) -> Iterator[tuple[int, str, str]]:
    """Read lines of two fields with a tab between: line number, key and value, both stripped.

    Args:
        path: the file.
        expected: the shape that an error names, such as "id<TAB>name".

    Raises:
        InputError: a line without a tab, or with nothing before it.
    """
    for number, line in read_lines(path):
        key, tab, value = line.partition("\t")
        if not tab:
            raise InputError(f"{path}:{number}: no tab in {shorten(line)!r}; expected {expected}")
        if not key.strip():
            raise InputError(f"{path}:{number}: nothing before the tab; expected {expected}")
        yield number, key.strip(), value.strip()


def shorten(text: str, length: int = 60) -> str:
    """Cut a text for a message."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def normalise_text(text: str) -> str:
    """Compose characters (NFC), as encoders know them, and make every run of white space one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())
