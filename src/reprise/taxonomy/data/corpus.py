"""Lines of `key<TAB>value`, the shape of every input file of the taxonomy task, and the corpora among them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd

from reprise.core.errors import InputError


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Read the lines of a UTF-8 file with their numbers, from 1; blank lines are passed over.

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
    """Read lines of two fields with a tab between: number, key and value, both stripped.

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


def read_corpus(path: Path, empty_text: Literal["refuse", "keep"]) -> pd.DataFrame:
    """Read `doc id<TAB>text`: a table of doc_id and text, in the order of the file.

    Args:
        path: the file.
        empty_text: whether a document without a text is an error or kept as the empty string.

    Raises:
        InputError: no documents, a line without a tab, an id twice, or an empty text that is refused.
    """
    seen: dict[str, int] = {}
    texts: list[str] = []
    for number, document, text in read_pairs(path, "doc id<TAB>text"):
        if document in seen:
            raise InputError(f"{path}:{number}: document id {document!r} stands in line {seen[document]} already")
        if not text and empty_text == "refuse":
            raise InputError(
                f"{path}:{number}: document {document!r} has no text; taxonomy.prepare.empty_text: keep takes it"
            )
        seen[document] = number
        texts.append(text)
    if not texts:
        raise InputError(f"{path}: no documents; expected lines of doc id<TAB>text")
    return pd.DataFrame({"doc_id": list(seen), "text": texts})
