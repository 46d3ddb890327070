"""What answers about suspect labels find: a person who knows the generated pages settles all of suspects.csv.

    python -m tests.benchmarks.documents_corrections data/documents/corrected

Runs at the root of a repository in which the documents task has run on the sample, or on an earlier copy of it; its
wrong labels are known. The folder is a copy of the sample, made where it is not there yet. Prints how many of the wrong
labels are found so far, and whether a right one was changed. To go on, name the folder as `documents.data`.
"""

import shutil
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from reprise.core.command import run_command
from reprise.core.params import load_params
from reprise.documents.data.corrections import FILE
from reprise.documents.data.layouts import Files
from reprise.documents.paths import METRICS, SAMPLE
from reprise.tools.correct.documents import correct_label


def main(folder: Annotated[Path, typer.Argument(help="Copy of the sample to answer in.")]) -> None:
    """Answer all suspects as somebody who knows the pages."""
    if not folder.exists():
        shutil.copytree(SAMPLE, folder)
    right = pd.read_csv(SAMPLE / "mislabelled.csv", dtype=str).set_index("ID")["target"]
    files = load_params("documents.prepare.files", Files)
    suspects = pd.read_csv(METRICS / "suspects.csv", dtype=str)["ID"].tolist()
    for page in suspects:
        decision, target = ("change", str(right[page])) if page in right else ("keep", "")
        correct_label(folder, page, decision, target, files, ("ID", "target"))
    print(f"{len(suspects)} suspects, {sum(page in right for page in suspects)} of them with a wrong label")
    print(summary(folder, right))


def summary(folder: Path, right: pd.Series) -> str:
    """Count wrong labels that were found, and right ones that were changed, by all answers so far."""
    answers = pd.read_csv(folder / FILE, dtype=str).set_index("ID")
    changed = answers[answers["decision"] == "change"]["target"]
    found = sum(changed.get(page) == target for page, target in right.items())
    return f"found so far: {found} of {len(right)} wrong labels; right labels changed: {len(changed) - found}"


if __name__ == "__main__":
    run_command(main)
