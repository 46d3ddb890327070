"""A check of a folder, and the run of what it printed."""

import shlex
from pathlib import Path

from dvc.utils.hydra import apply_overrides
from typer.testing import CliRunner

from reprise.core.command import typer_app
from reprise.tools.check.command import main


def check(task: str, folder: Path | str) -> tuple[int, str]:
    """Exit code and output of `reprise check`."""
    result = CliRunner().invoke(typer_app(main), [task, str(folder)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def apply_printed(output: str) -> list[str]:
    """Change params.yaml as the printed `dvc exp run` would; returns the stages that it names."""
    line = output.splitlines()[-1].strip()
    command = shlex.split(line)
    assert command[:3] == ["dvc", "exp", "run"]
    places = [index for index, part in enumerate(command) if part == "-S"]
    apply_overrides("params.yaml", [command[index + 1] for index in places])
    return command[places[-1] + 2 :]
