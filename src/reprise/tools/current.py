"""Say whether dvc.lock is up to date with code, parameters and data; the exit code is 1 if a stage would run.

    reprise current

Cached data may be missing here: DVC compares checksums alone.
"""

import typer

from reprise.core.command import run_command
from reprise.tools.repository import stale_stages


def main() -> None:
    """Say whether dvc.lock is up to date with code, parameters and data; the exit code is 1 if a stage would run."""
    if stale := stale_stages():
        typer.echo(f"dvc.lock is behind: {', '.join(stale)} would run; `make repro`, and commit what it changes")
        raise typer.Exit(1)
    typer.echo("dvc.lock is current")


if __name__ == "__main__":
    run_command(main)
