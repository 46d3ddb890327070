"""Names made safe to show, by one function for each medium, and made ready to be compared.

A class, a file, an experiment or a parameter may be called `<img src=x>`, `a|b`, `@someone` or `=1+1`, and a name may
hold escape sequences that move a terminal's cursor. What people are shown goes through one of these functions; what
programs read back does not, since it has to keep each name as it is.
"""

import html
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # controls, direction marks, surrogates, private use, separators
MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]|~$^])")
MARKDOWN_START = re.compile(r"^([#+=-]+|\d+[.)])(?=\s|$)")  # a heading, a list, a rule
# GitHub links these after it has read the escapes: a mention, an issue, an address. A space of no width stops it.
LINKED = re.compile(r"(@|#(?=\w)|:(?=//)|\bwww(?=\.)|\bGH(?=-\d))", re.IGNORECASE)
ZERO_WIDTH_SPACE = "\u200b"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # some take the wide signs too


def compose_name(name: str) -> str:
    """Compose a name (Unicode NFC) to be compared: in file names a Mac stores é as two characters, others as one."""
    return unicodedata.normalize("NFC", name)


def for_terminal(text: object) -> str:
    """One line for a terminal or a log: line ends, escape sequences and marks without a width are spelt out."""
    return "".join(
        character.encode("unicode_escape", "surrogatepass").decode("ascii")
        if unicodedata.category(character) in INVISIBLE
        else character
        for character in str(text)
    )


def for_html(text: object) -> str:
    """Text of an HTML page, or of an attribute between quotes; Plotly's labels read HTML too."""
    return html.escape(for_terminal(text))


def for_markdown(text: object, code: bool = False) -> str:
    """Text of a Markdown page or of a cell of its tables, which links, mentions and formats nothing.

    Args:
        text: the text.
        code: set it as code, which fits paths, parameters and their values.
    """
    plain = for_terminal(text)
    if not code:
        marked = LINKED.sub(rf"\1{ZERO_WIDTH_SPACE}", plain)
        escaped = MARKDOWN_SIGNS.sub(r"\\\1", marked)
        escaped = MARKDOWN_START.sub(lambda start: f"{start[0][:-1]}\\{start[0][-1]}", escaped)
        return html.escape(escaped, quote=False)
    if not plain.strip():
        return plain
    longest = max((len(run) for run in re.findall(r"`+", plain)), default=0)
    fence = "`" * (longest + 1)
    space = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{space}{plain}{space}{fence}".replace("|", r"\|")


def for_csv(text: object) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay as they are.

    The cell still needs the quotes that a CSV writer puts around commas.
    """
    plain = for_terminal(text)
    if not plain.startswith(FORMULA):
        return plain
    try:
        float(plain)
    except ValueError:
        return f"'{plain}"
    return plain


def for_mermaid(text: object) -> str:
    """A label of a Mermaid diagram, with its quotes: everything but letters, digits and spaces becomes an entity."""
    spelt = "".join(
        character if character.isalnum() or character == " " else f"#{ord(character)};"
        for character in for_terminal(text)
    )
    return f'"{spelt}"'


def for_parquet(text: str) -> str:
    """A cell of a table that programs read, as it is; only what stands in for bytes that are not UTF-8 is spelt out."""
    return text.encode(errors="backslashreplace").decode()


def json_line(record: Mapping[str, Any]) -> str:
    r"""One line of JSON for a terminal or a file: marks without a width are spelt as \uXXXX, which JSON reads back.

    Raises:
        ValueError: a number is NaN or infinite, which JSON lacks.
    """
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return "".join(
        _escape(character) if unicodedata.category(character) in INVISIBLE else character for character in text
    )


def _escape(sign: str) -> str:
    """A character as JSON spells it in ASCII, two halves of a pair where it needs them."""
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
