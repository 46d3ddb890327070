"""What tests of exported folders share: a record of what lies in a workspace, and processes that look for torch."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from typer.testing import CliRunner

from reprise.core.command import typer_app
from reprise.tools.export.evidence import md5_of
from tests.conftest import ROOT

PROBE = """
import json, sys
from reprise.cli import command_group
try:
    command_group()(sys.argv[1:], prog_name="reprise")
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]))
"""


def call(main: Callable[..., object], *arguments: object) -> tuple[int, str, str]:
    """Run a command in this process; returns exit code, output and errors."""
    result = CliRunner().invoke(typer_app(main), [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def copy_finished(finished: Path, root: Path) -> Path:
    """Copy what `reprise export` reads of a finished task to another root, and return that."""
    for name in ("models", "metrics"):
        shutil.copytree(finished / name, root / name)
    return root


def record(task: str) -> None:
    """Write headlines.yaml, and a dvc.lock of the models, metrics and data of the working folder."""
    shutil.copy(ROOT / "headlines.yaml", "headlines.yaml")
    paths = [path for kind in ("models", "metrics") for path in sorted(Path(kind, task).rglob("*")) if path.is_file()]
    outs = [{"path": path.as_posix(), "hash": "md5", "md5": md5_of(path)} for path in paths]
    data = {"path": f"data/{task}/sample", "hash": "md5", "md5": "a" * 32 + ".dir", "size": 1234, "nfiles": 5}
    stages = {f"{task}-prepare": {"cmd": "x", "deps": [data]}, f"{task}-all": {"cmd": "y", "outs": outs}}
    with Path("dvc.lock").open("w") as file:
        YAML().dump({"schema": "2.0", "stages": stages}, file)


def run_without_torch(*arguments: object, cwd: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run `reprise` in a process of its own, which must not import torch; returns exit code and records."""
    command = [sys.executable, "-c", PROBE, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *records, last = done.stdout.splitlines()
    code, modules = json.loads(last)
    heavy = {"torch", "transformers", "sentence_transformers", "timm", "torchvision", "lightning"} & set(modules)
    assert not heavy, f"imported: {heavy}"
    return code, [json.loads(line) for line in records]


def run_example(program: str, folder: Path) -> str:
    """Run a card's program in its folder, and return what it printed."""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program_of(card: Path) -> str:
    """The Python program of a model card."""
    text = card.read_text()
    return text[text.index("```python\n") + len("```python\n") :].partition("```")[0]
