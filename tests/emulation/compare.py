"""Compare bytes between this processor and emulated ones: operations, stages at full size, tiny pipelines of the tasks.

    python -m tests.emulation.compare                                    # every operation, on AMD and Intel
    python -m tests.emulation.compare numpy torch --processors Intel     # groups of them, or single ones, on one
    python -m tests.emulation.compare --recorded deepfake.detector "documents.train 0"    # torch operations of stages
    python -m tests.emulation.compare --tasks taxonomy documents deepfake

QEMU's user mode (Debian: `apt-get install qemu-user`) runs this Python on an instruction set and under the name of
another processor; libraries choose their kernels by both. It knows no AVX-512, which is what the pins avoid: that
they do shows where this machine has it. Approximate instructions, which AMD and Intel round differently, it computes
exactly: the processes that are emulated must not execute any. A group takes a minute or two, a recorded stage or a
task two to ten.

Prints a line for each group, stage or task, and ends with exit code 1 where a byte differs or an approximate
instruction was executed. A recorded stage needs its inputs in this folder (`dvc pull` or `make repro`), and leaves
them as they are.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from reprise.core import kernels
from tests.conftest import ROOT, make_encoder, write_params
from tests.emulation.approximations import PIPE, Instructions
from tests.system.workspaces import STAGES, changed_params

EMULATOR = "qemu-x86_64"
PROCESSORS = {"AMD": "EPYC-Rome", "Intel": "Haswell"}  # with AVX2, without AVX-512
GROUPS = ("numpy", "scipy", "sklearn", "torch", "pictures", "sounds", "networks")
OUTPUTS = ("data", "models", "metrics")
CHANGES: dict[str, dict[str, Any]] = {
    "taxonomy": {"taxonomy.similarity.tune_from": 0},  # nobody gave the sample seed documents
    # What the default recipe has and `quick` has not: frozen layers, batch norm measured anew, a fitted head.
    "documents": {
        "documents.recipes.quick.frozen_blocks": 1,
        "documents.recipes.quick.recalibrate": 32,
        "documents.recipes.quick.probe": 1,
        "documents.evaluate.pages_per_corruption": 4,
    },
    # A detector that has learned less teaches an explainer nothing, which its stage refuses.
    "deepfake": {"deepfake.sample.train_utterances": 16, "deepfake.train.epochs": 12},
}
RECORDED_MIB = 2048  # of a stage's operations


@dataclass
class Run:
    """What one processor computed.

    Attributes:
        hashes: name of a result -> SHA-256.
        approximate: approximate instructions by the operation or stage that executed them; emulated runs alone.
    """

    hashes: dict[str, str]
    approximate: Mapping[str, int]


def run_python(words: Sequence[str], processor: str | None, folder: Path = ROOT) -> tuple[str, Mapping[str, int]]:
    """Run `python -m ...` here, or under emulation of one of PROCESSORS.

    What the emulated process starts by itself would run unemulated: it must do its work alone.

    Returns:
        What it printed, and the approximate instructions that the emulated process executed.

    Raises:
        RuntimeError: it failed; holds the end of its output.
    """
    packages = [path for path in sys.path if path.endswith("site-packages")]  # of this environment, whatever it is
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src"), *packages]),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        **kernels.PINS,
    }
    command = [sys.executable, "-W", "ignore", "-m", *words]
    if processor is None:
        return _output(command, folder, environment), {}
    with Instructions() as instructions:
        emulator = [EMULATOR, "-cpu", PROCESSORS[processor], *instructions.options()]
        output = _output([*emulator, *command], folder, environment | {PIPE: str(instructions.path)})
    return output, instructions.found


def _output(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}\n{process.stderr[-3000:]}")
    return process.stdout


def run_operations(groups: Iterable[str], processor: str | None) -> Run:
    """Compute operations of groups, or single ones."""
    output, approximate = run_python(["tests.emulation.operations", *groups], processor)
    return Run(json.loads(output.splitlines()[-1]), approximate)


def record(stage: str, folder: Path) -> tuple[Path, bool]:
    """Run a stage, such as `documents.train 0`, on copies of its files in a folder, and keep its torch operations.

    Returns:
        A file for `run_recorded`, and whether the stage came to its end before the file was full.
    """
    task = stage.partition(".")[0]
    shutil.rmtree(folder, ignore_errors=True)
    for name in OUTPUTS:
        shutil.copytree(ROOT / name / task, folder / name / task)
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    params["hardware"]["threads"] = 1  # operations of other threads are not seen
    write_params(folder, params)
    words = ["tests.emulation.recorded", "record", "recorded", str(RECORDED_MIB), stage]
    output, _ = run_python(words, None, folder)
    return folder / "recorded", bool(json.loads(output.splitlines()[-1])["complete"])


def run_recorded(file: Path, processor: str | None) -> Run:
    """Repeat a stage's operations."""
    output, approximate = run_python(["tests.emulation.recorded", "repeat", str(file)], processor)
    return Run(json.loads(output.splitlines()[-1]), approximate)


def run_task(task: str, encoder: Path, folder: Path, processor: str | None) -> Run:
    """Run a task's stages on tiny samples in a new folder.

    Args:
        task: whose stages.
        encoder: the tiny text encoder.
        folder: is emptied.
        processor: None for this one.

    Returns:
        A hash of each file that they wrote, but not of the seconds they took.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_params(folder, changed_params(encoder, CHANGES.get(task, {})))
    stages = [f"{task}.{stage}" for stage in STAGES[task]]
    _, approximate = run_python(["tests.emulation.stages", *stages], processor, folder)
    files = sorted(path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file())
    names = [path.relative_to(folder) for path in files]
    hashes = {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in zip(names, files, strict=True)
        if "timing" not in name.parts
    }
    return Run(hashes, approximate)


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Names whose digests differ, that one side lacks, or that failed, even on both sides."""
    names = sorted(here.keys() | there.keys())
    return [name for name in names if here.get(name) != there.get(name) or here[name].startswith("failed")]


def report(what: str, processor: str, here: Run, there: Run, seconds: float) -> bool:
    """Print one line; True where all is equal and no approximate instruction was executed."""
    names = differing(here.hashes, there.hashes)
    verdict = f"differ: {', '.join(names)}" if names else "all equal"
    if there.approximate:
        verdict += f"; approximate instructions: {', '.join(there.approximate)}"
    print(
        f"{what}: {len(here.hashes)} results, here and as {PROCESSORS[processor]}: {verdict} ({seconds:.0f} s)",
        flush=True,
    )
    return not names and not there.approximate


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help="groups of operations or single ones, stages, or tasks")
    ] = None,
    recorded: Annotated[bool, typer.Option("--recorded", help="the arguments are stages, at full size")] = False,
    tasks: Annotated[bool, typer.Option("--tasks", help="the arguments are tasks, whose tiny pipelines run")] = False,
    processors: Annotated[str, typer.Option(help="AMD, Intel, or both with a comma")] = "AMD,Intel",
    keep: Annotated[Path | None, typer.Option(help="folder in which the tasks' files stay")] = None,
) -> None:
    """Compare bytes between this processor and emulated ones."""
    if recorded and (tasks or keep or not names):
        raise typer.BadParameter('--recorded takes stages, such as "documents.train 0", and neither --tasks nor --keep')
    if shutil.which(EMULATOR) is None:
        raise typer.BadParameter(f"{EMULATOR} is not installed; Debian and Ubuntu: apt-get install qemu-user")
    equal = True
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) if keep is None else keep.resolve()
        encoder = place / "encoder"
        if tasks:
            encoder.mkdir(parents=True, exist_ok=True)
            make_encoder(encoder)
        for what in names or (STAGES if tasks else GROUPS):
            file, complete = record(what, place / what) if recorded else (None, True)

            def run(processor: str | None, what: str = what, file: Path | None = file) -> Run:
                if file is not None:
                    return run_recorded(file, processor)
                if tasks:
                    return run_task(what, encoder, place / f"{what}-{processor or 'here'}", processor)
                return run_operations([what], processor)

            here = run(None)
            for processor in processors.split(","):
                started = time.perf_counter()
                equal &= report(what, processor, here, run(processor), time.perf_counter() - started)
            if not complete:
                print(f"{what}: its first operations alone, {RECORDED_MIB} MiB of them", flush=True)
            shutil.rmtree(place / what, ignore_errors=True)
    raise typer.Exit(0 if equal else 1)


if __name__ == "__main__":
    typer.run(main)
