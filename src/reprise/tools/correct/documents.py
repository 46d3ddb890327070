"""Say whether the label of a page is right.

    reprise correct documents page17.jpg change --target 3
    reprise correct documents page18.jpg keep
    reprise correct documents page18.jpg withdraw

Writes label_corrections.csv in the folder `documents.data` (or `--data`), where an answer replaces an earlier one about
the same page. train.csv stays as it is. `dvc repro` then trains anew, where a label has changed.
"""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.params import load_params, load_path, load_value
from reprise.documents.paths import SAMPLE
from reprise.tools.correct.files import WITHDRAW, change_answers, refuse_nothing, write_answers

if TYPE_CHECKING:
    from reprise.documents.data.layouts import Files

Row = dict[str, str]  # of label_corrections.csv, with the columns that only a person reads

NEXT = "dvc repro documents-evaluate"


def main(
    page: Annotated[str, typer.Argument(help="Its ID in train.csv.")],
    decision: Annotated[str, typer.Argument(help="keep, change or unsure; withdraw: take the earlier answer back.")],
    target: Annotated[str, typer.Option(help="With change: the right class, as in meta.csv.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder of the pages; documents.data by default.")] = None,
) -> None:
    """Say whether the label of a page is right."""
    files, columns = load_names()
    counts = correct_label(data or load_path("documents.data"), page, decision, target, files, columns)
    print(", ".join(f"{count} {decision}" for decision, count in counts.items()))


def load_names() -> tuple["Files", tuple[str, str]]:
    """Names in a folder of pages, and of the columns of ids and targets, as params.yaml has them.

    Raises:
        InputError: they are missing there.
    """
    from reprise.documents.data.layouts import Files

    files = load_params("documents.prepare.files", Files)
    return files, (str(load_value("documents.prepare.id_column")), str(load_value("documents.prepare.target_column")))


def correct_label(
    folder: Path, page: str, decision: str, target: str, files: "Files", columns: tuple[str, str]
) -> dict[str, int]:
    """Write one decision about a page's label.

    Args:
        folder: of the pages, in any layout.
        page: ID of a training page.
        decision: `keep`, `change` or `unsure`; `withdraw`: the page's earlier decision goes.
        target: the right class, as in meta.csv, for `change`; else empty.
        files: names in the folder.
        columns: of ids and targets.

    Returns:
        How many pages have which decision now.

    Raises:
        InputError: an unknown page, decision or class; nothing to withdraw; or the folder's files cannot be used.
    """
    id_column, target_column = columns
    if decision == WITHDRAW and not target:
        removed, counts = replace_rows(folder, page, [], files, columns)
        refuse_nothing(removed, f"page {page!r}")
        return counts
    row = {id_column: page, "decision": decision, target_column: target}
    return replace_rows(folder, page, [row], files, columns)[1]


def replace_rows(
    folder: Path, page: str, rows: list[Row], files: "Files", columns: tuple[str, str]
) -> tuple[list[Row], dict[str, int]]:
    """Put rows in the place of those about a page; train.csv stays as it is.

    Args:
        folder: of the pages, in any layout.
        page: ID of a training page.
        rows: one, or none to withdraw what was said.
        files: names in the folder.
        columns: of ids and targets.

    Returns:
        The rows that were there, which undo this; and how many pages have which decision now.

    Raises:
        InputError: as `correct_label`.
    """
    from reprise.core.text import compose_name
    from reprise.documents.data.corrections import DECISIONS, FILE, check_decision, read_corrections
    from reprise.documents.data.layouts import read_train

    path, (id_column, target_column) = folder / FILE, columns
    with change_answers(folder, SAMPLE):
        labels, classes = read_train(folder, files, columns)
        if compose_name(page) not in set(labels["id"].map(compose_name)):
            raise InputError(f"{folder}: no training page {page!r}")
        for row in rows:
            check_decision("the answer", row["decision"], row[target_column], target_column, classes)
        read_corrections(path, id_column, target_column, classes)  # so that nothing is added to a file that is wrong
        fields, earlier = read_rows(path) if path.exists() else ([], [])
        fields = list(dict.fromkeys([*fields, *(name for row in rows for name in row), *(id_column, "decision")]))
        removed = [row for row in earlier if compose_name(row[id_column].strip()) == compose_name(page)]
        kept = [*(row for row in earlier if row not in removed), *rows]
        if removed or rows:
            write_answers(path, rows_text(fields, kept) if kept else "")
        written = read_corrections(path, id_column, target_column, classes)
    return removed, {decision: int((written["decision"] == decision).sum()) for decision in DECISIONS}


def read_rows(path: Path) -> tuple[list[str], list[Row]]:
    """Columns and rows of a CSV file that is known to be good; columns that only a person reads are there too."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True, restval="")
        reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        return list(reader.fieldnames), list(reader)


def rows_text(fields: list[str], rows: list[Row]) -> str:
    """CSV of rows; a column that a row lacks is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


if __name__ == "__main__":
    run_command(main)
