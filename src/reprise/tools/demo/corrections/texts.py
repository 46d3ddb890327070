"""Documents whose label would say most, classes that need a word, and what a person says of both.

Reads ask.csv and unclear_classes.csv of metrics/taxonomy. Answers are written by `reprise.tools.correct`, as
`reprise correct taxonomy` writes them.
"""

import csv
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError
from reprise.core.params import load_path
from reprise.core.text import for_csv
from reprise.taxonomy.data.class_lists import read_class_lists
from reprise.taxonomy.data.corpus import read_corpus
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.hierarchy_files import read_hierarchy
from reprise.taxonomy.data.layout import recognise
from reprise.taxonomy.paths import METRICS
from reprise.tools.correct.files import refuse_nothing
from reprise.tools.correct.taxonomy import NEXT, document_line, plain_words, replace_document, replace_words

ASK, UNCLEAR = METRICS / "ask.csv", METRICS / "unclear_classes.csv"


def read_metrics(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Rows of a table that `taxonomy-ask` wrote, with their lines.

    Raises:
        InputError: it is missing.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            return [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `dvc repro taxonomy-ask` writes it") from None


def list_questions() -> dict[str, Any]:
    """The documents of ask.csv, whole, with their likeliest classes and those that a person gave.

    Returns:
        folder, classes (id and name of each) and documents.

    Raises:
        InputError: ask.csv is missing, or of another folder's documents; or the folder's files cannot be used.
    """
    folder = load_path("taxonomy.data")
    hierarchy, layout = read_hierarchy(folder), recognise(folder)
    corpus = read_corpus(layout.corpus_path("train"), "keep")
    identifiers, texts = corpus["doc_id"].tolist(), corpus["text"].tolist()
    rows = {for_csv(own): row for row, own in enumerate(identifiers)}
    given = read_class_lists(layout.seeds, hierarchy, identifiers) if layout.seeds.exists() else {}
    documents = []
    for line, asked in read_metrics(ASK):
        if (row := rows.get(asked["doc_id"])) is None:
            raise InputError(f"{ASK}:{line}: {folder} has no document {asked['doc_id']!r}; `{NEXT}` asks anew")
        documents.append(
            {
                "document": identifiers[row],
                "text": texts[row],
                "likely": [class_of(asked, name, hierarchy, line) for name in ("likely", "second") if name in asked],
                "classes": [hierarchy.ids[column] for column in given.get(row, (0, []))[1]],
            }
        )
    return {"folder": str(folder), "classes": name_classes(hierarchy), "documents": documents}


def class_of(asked: dict[str, str], name: str, hierarchy: Hierarchy, line: int) -> dict[str, Any]:
    """One of the likely classes of a row of ask.csv.

    Raises:
        InputError: a class that the hierarchy lacks.
    """
    cells = [for_csv(own) for own in hierarchy.ids]
    if asked[f"{name}_id"] not in cells:
        raise InputError(f"{ASK}:{line}: no class {asked[f'{name}_id']!r} in the folder; `{NEXT}` asks anew")
    column = cells.index(asked[f"{name}_id"])
    probability = float(asked[f"{name}_probability"])
    return {"id": hierarchy.ids[column], "name": hierarchy.labels[column], "probability": probability}


def name_classes(hierarchy: Hierarchy) -> list[dict[str, str]]:
    """Id and name of each class."""
    return [{"id": own, "name": label} for own, label in zip(hierarchy.ids, hierarchy.labels, strict=True)]


def list_unclear() -> dict[str, Any]:
    """The classes of unclear_classes.csv, the least clear first, with the words that a person gave.

    Returns:
        folder, and classes: id, name, doubt, mistaken_for, documents, words, examples and keywords.

    Raises:
        InputError: unclear_classes.csv is missing, or of other classes; or the folder's files cannot be used.
    """
    folder = load_path("taxonomy.data")
    hierarchy = read_hierarchy(folder)
    columns = {for_csv(own): column for column, own in enumerate(hierarchy.ids)}
    classes = []
    for line, row in read_metrics(UNCLEAR):
        if (column := columns.get(row["id"])) is None:
            raise InputError(f"{UNCLEAR}:{line}: {folder} has no class {row['id']!r}; `{NEXT}` looks anew")
        classes.append(
            {
                "id": hierarchy.ids[column],
                "name": hierarchy.labels[column],
                "doubt": float(row["doubt"]),
                "mistaken_for": row["mistaken_for"],
                "documents": int(row["documents"]),
                "words": row["words"],
                "examples": [row[name] for name in row if name.startswith("example_") and row[name]],
                "keywords": list(hierarchy.keywords[column]),
            }
        )
    return {"folder": str(folder), "classes": classes}


def answer_document(document: str, classes: list[str], withdraw: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Write the classes of a document, as `reprise correct taxonomy --document` does.

    Args:
        document: id of a training document.
        classes: ids, one or more.
        withdraw: take the earlier answer back instead.

    Returns:
        The lines that were written, their file, and what to run next; and the lines that they replaced.

    Raises:
        InputError: as `reprise.tools.correct.taxonomy.label_document`.
    """
    folder = load_path("taxonomy.data")
    lines = [] if withdraw else [document_line(document, classes)]
    removed = replace_document(folder, document, lines)
    if withdraw:
        refuse_nothing(removed, f"document {document!r}")
    return {"lines": lines, "file": str(recognise(folder).seeds), "next": NEXT}, removed


def undo_document(document: str, lines: list[str]) -> None:
    """Put back the lines that an answer replaced.

    Raises:
        InputError: as `replace_document`.
    """
    replace_document(load_path("taxonomy.data"), document, lines)


def answer_class(identifier: str, sentence: str, withdraw: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Write words or a sentence for a class, as `reprise correct taxonomy --sentence` does.

    Args:
        identifier: class id.
        sentence: as a document of the class would say it.
        withdraw: take what was said back instead.

    Returns:
        The lines that were written, their file, and what to run next; and the words that they replaced.

    Raises:
        InputError: as `reprise.tools.correct.taxonomy.describe_class`.
    """
    folder = load_path("taxonomy.data")
    words = [] if withdraw else [plain_words(identifier, sentence)]
    name, removed = replace_words(folder, identifier, words)
    if withdraw:
        refuse_nothing(removed, f"class {identifier!r}")
    lines = [f"{name}:{own}" for own in words]
    return {"lines": lines, "file": str(recognise(folder).keywords[0]), "next": NEXT}, removed


def undo_class(identifier: str, words: list[str]) -> None:
    """Put back the words that an answer replaced.

    Raises:
        InputError: as `replace_words`.
    """
    replace_words(load_path("taxonomy.data"), identifier, words)
