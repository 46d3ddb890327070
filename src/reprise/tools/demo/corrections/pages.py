"""Labels of pages that the models contradict, and what a person says of them: suspects.csv, label_corrections.csv.

Answers are written by `reprise.tools.correct`, as `reprise correct documents` writes them.
"""

import dataclasses
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError
from reprise.core.params import load_path
from reprise.core.text import compose_name, for_csv
from reprise.documents.data.corrections import FILE, read_corrections
from reprise.documents.data.images import ImageFolder
from reprise.documents.data.layouts import Files, read_train
from reprise.documents.data.tables import Classes, read_table
from reprise.documents.least_sure import LeastSure
from reprise.documents.paths import METRICS
from reprise.tools.correct.documents import NEXT, Row, load_names, replace_rows
from reprise.tools.correct.files import WITHDRAW, refuse_nothing

SUSPECTS = METRICS / "suspects.csv"
COLUMNS = ("ID", "file", "label", "predicted", "probability", "label_probability")
LABELLED_NEXT = 30  # pages, as `reprise predict documents --ask` has


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of a person's folder, and what was said of them.

    Attributes:
        folder: of the pages.
        files: names in it.
        columns: of ids and targets.
        given: index of the class of each page, by ID.
        classes: the classes.
        answers: decision and target, by composed ID.
    """

    folder: Path
    files: Files
    columns: tuple[str, str]
    given: dict[str, int]
    classes: Classes
    answers: dict[str, tuple[str, str]]


def read_labels() -> Labels:
    """Read the folder that params.yaml names.

    Raises:
        InputError: its files cannot be used.
    """
    folder, (files, columns) = load_path("documents.data"), load_names()
    labels, classes = read_train(folder, files, columns)
    said = read_corrections(folder / FILE, *columns, classes)
    answers = {
        compose_name(page): (decision, classes.targets[target] if decision == "change" else "")
        for page, decision, target in said[["id", "decision", "target"]].itertuples(index=False)
    }
    given = dict(zip(labels["id"], labels["target"].tolist(), strict=True))
    return Labels(folder, files, columns, given, classes, answers)


def list_suspects() -> dict[str, Any]:
    """The pages whose label the models contradict, the surest first, with what was said of each.

    Returns:
        folder, classes (target and name of each) and suspects.

    Raises:
        InputError: suspects.csv is missing, or of another folder's pages; or the folder's files cannot be used.
    """
    labels = read_labels()
    classes = [
        {"target": target, "name": name}
        for target, name in zip(labels.classes.targets, labels.classes.names, strict=True)
    ]
    ids, names = {for_csv(page): page for page in labels.given}, [for_csv(name) for name in labels.classes.names]
    suspects = []
    for line, cell, file, _, predicted, sure, own in read_table(SUSPECTS, COLUMNS, optional=()).itertuples():
        if cell not in ids or predicted not in names:
            what = f"no page {cell!r}" if cell not in ids else f"no class {predicted!r}"
            raise InputError(f"{SUSPECTS}:{line}: {labels.folder} has {what}; `{NEXT}` writes the suspects anew")
        decision, target = labels.answers.get(compose_name(ids[cell]), ("", ""))
        suspects.append(
            {
                "page": ids[cell],
                "file": file,
                "label": labels.classes.names[labels.given[ids[cell]]],
                "predicted": labels.classes.names[names.index(predicted)],
                "predicted_target": labels.classes.targets[names.index(predicted)],
                "probability": float(sure),
                "label_probability": float(own),
                "decision": decision,
                "target": target,
            }
        )
    return {"folder": str(labels.folder), "classes": classes, "suspects": suspects}


def suspect_image(suspect: dict[str, Any]) -> Path:
    """The image of one of the suspects.

    Raises:
        InputError: there is none.
    """
    files, _ = load_names()
    images = load_path("documents.data") / files.images
    if (path := images / suspect["file"]).is_file():
        return path
    for name in ImageFolder(images).files:  # suspects.csv spells some names otherwise, for spreadsheets
        if for_csv(name) == suspect["file"]:
            return images / name
    raise InputError(f"{path}: no such file")


def answer_page(page: str, decision: str, target: str) -> tuple[dict[str, Any], list[Row]]:
    """Write what a person says of a page's label, as `reprise correct documents` does.

    Args:
        page: its ID in train.csv.
        decision: `keep`, `change`, `unsure`; or `withdraw`.
        target: the right class, as in meta.csv, for `change`; else empty.

    Returns:
        The answer, how many pages have which decision, and what to run next; and the rows that it replaced.

    Raises:
        InputError: as `reprise.tools.correct.documents.correct_label`.
    """
    folder, (files, columns) = load_path("documents.data"), load_names()
    withdrawn = decision == WITHDRAW and not target
    rows = [] if withdrawn else [{columns[0]: page, "decision": decision, columns[1]: target}]
    removed, counts = replace_rows(folder, page, rows, files, columns)
    if withdrawn:
        refuse_nothing(removed, f"page {page!r}")
    said = {"page": page, "decision": decision, "target": target}
    return {**said, "decisions": counts, "file": str(folder / FILE), "next": NEXT}, removed


def undo_page(page: str, rows: list[Row]) -> None:
    """Put back the rows that an answer replaced.

    Raises:
        InputError: as `replace_rows`.
    """
    files, columns = load_names()
    replace_rows(load_path("documents.data"), page, rows, files, columns)


def label_next(records: list[dict[str, Any]], count: int = LABELLED_NEXT) -> str:
    """The table of the pages to label next, least sure first, as `reprise predict documents --ask` writes it.

    Args:
        records: of `classify_page`, or name and error.
        count: of pages at most.

    Raises:
        InputError: something else than such records.
    """
    least_sure = LeastSure(count)
    for number, record in enumerate(records, 1):
        if not is_record(record):
            raise InputError(f"record {number}: expected name and probabilities of a page, or its error")
        least_sure.add({**record, "path": record["name"]})
    return least_sure.csv_text()


def is_record(record: Any) -> bool:
    """Whether something is what the page says of an image."""
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        return False
    if "error" in record:
        return True
    likely = record.get("probabilities")
    return (
        isinstance(likely, dict)
        and len(likely) > 1
        and all(isinstance(value, (int, float)) for value in likely.values())
    )
