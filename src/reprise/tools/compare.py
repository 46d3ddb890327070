"""Compare the headline figures of two commits or experiments, and tell changes from noise.

    reprise compare main                  # with the workspace
    reprise compare main my-experiment

A change is called better or worse only where it exceeds what chance explains. The rest is within noise, in grey. A
figure whose stage was not computed anew is the same. Figures that changed although none of their parameters, code and
data did are listed apart: they were computed elsewhere.
"""

from typing import Annotated

import typer

from reprise.core.command import run_command
from reprise.core.text import for_terminal
from reprise.tools.headlines import Change, compare, split_elsewhere, write_interval
from reprise.tools.repository import WORKSPACE, Snapshot, commit_of

COLOURS = {"better": typer.colors.GREEN, "worse": typer.colors.RED, "within noise": typer.colors.BRIGHT_BLACK}


def main(
    base: Annotated[str, typer.Argument(help="Commit, branch or experiment to compare with.")],
    here: Annotated[str | None, typer.Argument(help="Another one; the workspace if not given.")] = None,
) -> None:
    """Compare the headline figures of two commits or experiments, and tell changes from noise."""
    other = WORKSPACE if here is None else Snapshot(here, commit_of(here))
    judged, elsewhere = split_elsewhere(compare(Snapshot(base, commit_of(base)), other))
    typer.echo(f"{'task':<10} {'figure':<34} {'before':>8} {'now':>8} {'change':>8}  95 % interval of it")
    for change in judged:
        typer.echo(write_line(change))
    if elsewhere:
        typer.echo("\ncomputed elsewhere: no parameter, code or data of these figures changed")
        for change in elsewhere:
            typer.echo(write_line(change))


def write_line(change: Change) -> str:
    """One figure in a line of 120 characters."""
    head = change.headline
    before, now = ("-" if value is None else f"{value:.4f}" for value in (change.base, change.here))
    by = "" if change.difference is None else f"{change.difference:+.4f}"
    figures = f"{before:>8} {now:>8} {by:>8}  {write_interval(change.interval):<20}"
    name = f"{for_terminal(head.task)[:10]:<10} {for_terminal(head.title)[:34]:<34}"
    return f"{name} {figures}  {typer.style(change.verdict, fg=COLOURS.get(change.verdict))}"


if __name__ == "__main__":
    run_command(main)
