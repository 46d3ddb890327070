"""Lines of `key<TAB>value`: the shape of every input file of the taxonomy task.

A name is compared by its characters, not by their encoding: `é` typed as one code point and as a letter with an accent
is one name. So keys are composed (Unicode NFC) as they are read.
"""

from collections.abc import Iterator
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.files import refuse_device
from reprise.core.text import compose_name

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MOST_CHARACTERS = 1000  # of an id or a class name


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    r"""Read all lines of a file with their numbers, from 1; blank ones too.

    Only `\n` and `\r\n` end a line: str.splitlines would also split at U+2028, U+0085 or a form feed, which texts
    contain. A byte order mark at the start is dropped.

    Raises:
        InputError: no such file, a folder, unreadable, or with another kind of line ends.
    """
    refuse_device(path)
    try:
        content = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder; expected a file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if b"\r" in content and b"\n" not in content:
        raise InputError(f"{path}: its lines end in CR alone; expected LF or CR LF")
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()  # the end of the last line, not one more
    for number, line in enumerate(lines, start=1):
        yield number, line.removesuffix(b"\r")


def decode_line(path: Path, number: int, line: bytes) -> str:
    """Decode one line.

    Raises:
        InputError: it is not UTF-8, or holds a NUL.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}:{number}: byte {error.start + 1} of the line is not UTF-8 (0x{line[error.start]:02x})"
        ) from None
    if "\0" in text:
        raise InputError(f"{path}:{number}: a NUL character; expected UTF-8 text")
    return text


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a UTF-8 file with their numbers, from 1; blank lines are skipped, but counted.

    Raises:
        InputError: as `raw_lines` and `decode_line`.
    """
    for number, line in raw_lines(path):
        text = decode_line(path, number, line)
        if text.strip():
            yield number, text


def read_pairs(path: Path, expected: str) -> Iterator[tuple[int, str, str]]:
    """Read lines of two fields with a tab between: line number, composed key and value, both stripped.

    Args:
        path: the file.
        expected: the shape that an error names, such as "id<TAB>name".

    Raises:
        InputError: a line without a tab, or with nothing or too much before it.
    """
    for number, line in read_lines(path):
        key, tab, value = line.partition("\t")
        if not tab:
            raise InputError(f"{path}:{number}: no tab in {shorten(line)!r}; expected {expected}")
        if not key.strip():
            raise InputError(f"{path}:{number}: nothing before the tab; expected {expected}")
        yield number, read_name(key, f"{path}:{number}"), value.strip()


def read_name(text: str, where: str) -> str:
    """Compose and strip an id or a name; `where` starts the line of an error.

    Raises:
        InputError: it is longer than any name.
    """
    name = compose_name(text.strip())
    if len(name) > MOST_CHARACTERS:
        raise InputError(
            f"{where}: {shorten(name)!r} has {len(name)} characters; ids and names have at most {MOST_CHARACTERS}"
        )
    return name


def shorten(text: str, length: int = 60) -> str:
    """Cut a text for a message."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def normalise_text(text: str) -> str:
    """Compose characters, as encoders know them, and make every run of white space one space."""
    return " ".join(compose_name(text).split())
