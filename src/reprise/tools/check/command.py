"""Look at a folder of data before anything is trained on it.

    reprise check documents data/documents/mine

Run from the root of the repository. The folder is read by the readers of the task's first stage, with the values of
params.yaml: what is refused here is refused there, in the same words. Prints what was recognised, what is missing, left
out, odd or refused, and the `dvc exp run` that trains on the folder. The exit code is 1 where something is refused.
Takes less than 10 s for 10,000 items: pages are decoded and recordings opened for a few seconds at most, in random
order, and the lines say how many were.
"""

import enum
from pathlib import Path
from typing import Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.tools.check.findings import Findings

STAGES = {
    "taxonomy": ["taxonomy-evaluate"],
    "documents": ["documents-evaluate"],
    "deepfake": ["deepfake-evaluate", "deepfake-explain"],
}


class Task(enum.StrEnum):
    """The three systems."""

    taxonomy = enum.auto()
    documents = enum.auto()
    deepfake = enum.auto()


def main(
    task: Annotated[Task, typer.Argument(help="What to train.")],
    folder: Annotated[Path, typer.Argument(help="Your data.")],
) -> None:
    """Say what a folder of data is taken for, what is wrong with it, and how to train on it."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = check_folder(task, folder)
    typer.echo(f"{task}: {folder}")
    for line in found.lines():
        typer.echo(line)
    if found.stops:
        typer.echo("Put the refused lines right first; then run:")
    else:
        typer.echo("run:")
    typer.echo(f"  {found.command(*STAGES[task])}")
    if found.stops:
        raise typer.Exit(1)


def check_folder(task: Task, folder: Path) -> Findings:
    """Check a folder; the task's readers are imported only now."""
    if task == Task.taxonomy:
        from reprise.tools.check.taxonomy import check
    elif task == Task.documents:
        from reprise.tools.check.documents import check
    else:
        from reprise.tools.check.deepfake import check
    return check(folder)


if __name__ == "__main__":
    run_command(main)
