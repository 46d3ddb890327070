"""The documents: as a person gives them, and as the stages keep them."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from reprise.core.errors import InputError
from reprise.core.files import read_parquet, write_parquet
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.lines import read_pairs


def read_corpus(path: Path, empty_text: Literal["refuse", "keep"]) -> pd.DataFrame:
    """Read `doc id<TAB>text`: a table of doc_id and text, in the order of the file.

    Args:
        path: the file.
        empty_text: whether a document without a text is an error or kept as the empty string.

    Raises:
        InputError: no documents, a line without a tab, a duplicate id, or an empty text that is refused.
    """
    first_lines: dict[str, int] = {}
    texts: list[str] = []
    for number, document, text in read_pairs(path, "doc id<TAB>text"):
        if document in first_lines:
            first = first_lines[document]
            raise InputError(f"{path}:{number}: duplicate document id {document!r}, first on line {first}")
        if not text and empty_text == "refuse":
            raise InputError(
                f"{path}:{number}: document {document!r} has no text; taxonomy.prepare.empty_text: keep takes it"
            )
        first_lines[document] = number
        texts.append(text)
    if not texts:
        raise InputError(f"{path}: no documents; expected lines of doc id<TAB>text")
    return pd.DataFrame({"doc_id": list(first_lines), "text": texts})


def read_texts(path: Path) -> list[str]:
    """Texts of a prepared corpus, in its order."""
    texts: list[str] = read_parquet(path)["text"].tolist()
    return texts


def write_core_classes(path: Path, documents: pd.Series, core: np.ndarray, hierarchy: Hierarchy) -> None:
    """Write the ids of each document's core classes, from a matrix (N, C) bool."""
    identifiers = np.array(hierarchy.ids, dtype=object)
    lists = [identifiers[row].tolist() for row in core]
    write_parquet(path, pd.DataFrame({"doc_id": documents, "core_classes": lists}))


def read_core_classes(path: Path, hierarchy: Hierarchy) -> np.ndarray:
    """Read what `write_core_classes` wrote, as a matrix (N, C) bool."""
    columns = {identifier: column for column, identifier in enumerate(hierarchy.ids)}
    lists = read_parquet(path)["core_classes"]
    core = np.zeros((len(lists), len(columns)), dtype=bool)
    for row, identifiers in enumerate(lists):
        core[row, [columns[identifier] for identifier in identifiers]] = True
    return core
