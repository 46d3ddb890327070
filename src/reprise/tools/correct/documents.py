"""Say whether the label of a page is right.

    reprise correct documents page17.jpg change --target 3
    reprise correct documents page18.jpg keep

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
from reprise.core.files import write_text
from reprise.core.params import load_params, load_path, load_value
from reprise.documents.paths import SAMPLE
from reprise.tools.correct.files import change_answers

if TYPE_CHECKING:
    from reprise.documents.data.layouts import Files


def main(
    page: Annotated[str, typer.Argument(help="Its ID in train.csv.")],
    decision: Annotated[str, typer.Argument(help="keep, change or unsure.")],
    target: Annotated[str, typer.Option(help="With change: the right class, as in meta.csv.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder of the pages; documents.data by default.")] = None,
) -> None:
    """Say whether the label of a page is right."""
    from reprise.documents.data.layouts import Files

    files = load_params("documents.prepare.files", Files)
    columns = str(load_value("documents.prepare.id_column")), str(load_value("documents.prepare.target_column"))
    folder = data or load_path("documents.data")
    counts = correct_label(folder, page, decision, target, files, columns)
    print(", ".join(f"{count} {decision}" for decision, count in counts.items()))


def correct_label(
    folder: Path, page: str, decision: str, target: str, files: "Files", columns: tuple[str, str]
) -> dict[str, int]:
    """Write one decision about a page's label.

    Args:
        folder: of the pages, in any layout.
        page: ID of a training page.
        decision: `keep`, `change` or `unsure`.
        target: the right class, as in meta.csv, for `change`; else empty.
        files: names in the folder.
        columns: of ids and targets.

    Returns:
        How many pages have which decision now.

    Raises:
        InputError: an unknown page, decision or class; or the folder's files cannot be used.
    """
    from reprise.documents.data.corrections import DECISIONS, FILE, check_decision, read_corrections
    from reprise.documents.data.images import normalise
    from reprise.documents.data.layouts import read_train

    path, (id_column, target_column) = folder / FILE, columns
    with change_answers(folder, SAMPLE):
        labels, classes = read_train(folder, files, columns)
        if normalise(page) not in set(labels["id"].map(normalise)):
            raise InputError(f"{folder}: no training page {page!r}")
        check_decision("the answer", decision, target, target_column, classes)
        read_corrections(path, id_column, target_column, classes)  # so that nothing is added to a file that is wrong
        fields, rows = read_rows(path) if path.exists() else ([], [])
        fields = list(dict.fromkeys([*fields, id_column, "decision", target_column]))
        kept = [row for row in rows if normalise(row[id_column].strip()) != normalise(page)]
        kept.append({id_column: page, "decision": decision, target_column: target})
        write_text(path, rows_text(fields, kept))
        written = read_corrections(path, id_column, target_column, classes)
    return {decision: int((written["decision"] == decision).sum()) for decision in DECISIONS}


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a CSV file that is known to be good; columns that only a person reads are there too."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True, restval="")
        reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        return list(reader.fieldnames), list(reader)


def rows_text(fields: list[str], rows: list[dict[str, str]]) -> str:
    """CSV of rows; a column that a row lacks is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


if __name__ == "__main__":
    run_command(main)
