"""Folders in which a task's stages run as processes of their own, on tiny samples: as DVC starts them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, tiny_params, write_params
from tests.system.forks import Fork

STAGES: dict[str, list[str]] = {
    "taxonomy": ["sample", "prepare", "similarity", "core_classes", "recipe", "train", "self_train", "evaluate"],
    "documents": ["sample", "recipe", "prepare", "train 0", "train 1", "calibrate", "predict", "evaluate"],
    "deepfake": ["sample", "recipe", "prepare", "detector", "windows", "explainer ema"],
}
TRAININGS = {
    "taxonomy-train": "taxonomy.train",
    "taxonomy-self-train": "taxonomy.self_train",
    "documents-train": "documents.train 1",
    "deepfake-detector": "deepfake.detector",
    "deepfake-explainer": "deepfake.explainer ema",
}
RUN = str(ROOT / "src/run.py")
DVC = Path(sys.executable).with_name("dvc")


def environment() -> dict[str, str]:
    """The variables of a stage's process: the project's modules, whatever the folder, and this interpreter first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "PATH": path, "OMP_NUM_THREADS": "1"}


def start(command: "str | list[str]", folder: Path) -> Fork:
    """Start a stage, such as `documents.train 0`, or a module with its arguments, in a folder; its output is kept.

    A list's words are taken as they are.
    """
    words = command.split() if isinstance(command, str) else command
    program = [] if words[0].startswith(("reprise.", "tests.", "torch.")) else [RUN]
    return Fork([*program, *words], folder, environment())


def run(command: "str | list[str]", folder: Path) -> str:
    """Run what `start` takes to its good end, and return what it printed."""
    process = start(command, folder)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def torchrun(command: str, folder: Path, processes: int = 2) -> str:
    """Run a stage in several processes on this machine."""
    return run(torchrun_command(command, processes), folder)


def torchrun_command(command: str, processes: int = 2) -> list[str]:
    """The words after `python -m` with which torchrun starts a stage."""
    return ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), RUN, *command.split()]


def make(folder: Path, encoder: Path, task: str, changes: dict[str, Any], stages: Iterable[str] | None = None) -> Path:
    """Run a task's stages, all of them or those that are named, with changed parameters.

    Args:
        folder: where.
        encoder: the tiny text encoder.
        task: whose stages.
        changes: dotted keys of params.yaml and their values.
        stages: as in STAGES.
    """
    folder.mkdir(exist_ok=True)
    write_params(folder, changed_params(encoder, changes))
    names = STAGES[task] if stages is None else stages
    run(["tests.system.in_one_process", *(f"{task}.{name}" for name in names)], folder)
    return folder


def changed_params(encoder: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """Tiny parameters with which all stages run; `changes`: dotted keys and their values."""
    params = tiny_params(encoder)
    params["documents"]["prepare"]["folds"] = 2  # few pages a class
    for key, value in changes.items():
        *sections, leaf = key.split(".")
        place = params
        for section in sections:
            place = place[section]
        place[leaf] = value
    return params


def clone_with_results(target: Path) -> None:
    """Clone this checkout, and commit there what `make repro` has computed here: on another processor it differs."""
    identity = ["-c", "user.name=test", "-c", "user.email=test"]
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    shutil.copy(ROOT / "dvc.lock", target)
    shutil.copytree(ROOT / "metrics", target / "metrics", dirs_exist_ok=True)
    subprocess.run(
        ["git", *identity, "commit", "--quiet", "--all", "--allow-empty", "--message", "results"],
        cwd=target,
        check=True,
    )


def copy(folder: Path, target: Path) -> Path:
    """Copy a folder, so that what is done to one leaves the other as it is."""
    shutil.copytree(folder, target)
    return target
