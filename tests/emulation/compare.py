"""Compare bytes between this processor and emulated ones: operations, and the tiny pipelines of the tasks.

    python -m tests.emulation.compare                                    # every operation, on AMD and Intel
    python -m tests.emulation.compare numpy torch --processors Intel     # groups of them, or single ones, on one
    python -m tests.emulation.compare --tasks taxonomy documents deepfake
    python -m tests.emulation.compare --tasks --networks                 # up to the training, with the default networks

QEMU's user mode (Debian: `apt-get install qemu-user`) runs this Python on an instruction set and under the name of
another processor; libraries choose their kernels by both. It knows no AVX-512, which is what the pins avoid: that
they do shows where this machine has it. A group takes minutes, a task ten to thirty.

Prints a line for each group or task and ends with exit code 1 where a byte differs.
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
from pathlib import Path
from typing import Annotated, Any

import typer

from reprise.core import kernels
from tests.conftest import ROOT, make_encoder, write_params
from tests.system.workspaces import STAGES, changed_params

EMULATOR = "qemu-x86_64"
PROCESSORS = {"AMD": "EPYC-Rome", "Intel": "Haswell"}  # with AVX2, without AVX-512
GROUPS = ("numpy", "scipy", "sklearn", "torch", "pictures", "sounds", "networks")
OUTPUTS = ("data", "models", "metrics")
CHANGES: dict[str, dict[str, Any]] = {
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
# The networks of the default recipes, with their weights, on few and small inputs.
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
NETWORKS: dict[str, dict[str, Any]] = {
    "taxonomy": {"taxonomy.similarity.encoder": MINILM, "taxonomy.train.encoder": MINILM, "taxonomy.train.epochs": 1},
    "documents": {
        "documents.recipe": "pretrained",
        "documents.train.image_size": 64,
        "documents.train.lr": 2e-4,  # few steps: near what the head was fitted to
        "documents.train.epochs": 2,
    },
    "deepfake": {
        "deepfake.recipe": "whisper",
        "deepfake.train.ssl_weights": True,
        "deepfake.train.ssl_config": {},
        "deepfake.train.least_batches": 4,
        "deepfake.train.epochs": 2,
    },
}
NETWORK_STAGES = {
    "taxonomy": ["sample", "prepare", "similarity", "core_classes", "recipe", "train"],
    "documents": ["sample", "recipe", "prepare", "train 0"],
    "deepfake": ["sample", "recipe", "prepare", "detector", "windows"],
}


def run_python(words: Sequence[str], processor: str | None, folder: Path = ROOT) -> str:
    """Run `python -m ...` here, or under emulation of one of PROCESSORS, and return what it printed.

    What the emulated process starts by itself would run unemulated: it must do its work alone.

    Raises:
        RuntimeError: it failed; holds the end of its output.
    """
    emulator = [] if processor is None else [EMULATOR, "-cpu", PROCESSORS[processor]]
    packages = [path for path in sys.path if path.endswith("site-packages")]  # of this environment, whatever it is
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src"), *packages]),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        **kernels.PINS,
    }
    command = [*emulator, sys.executable, "-W", "ignore", "-m", *words]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}\n{process.stderr[-3000:]}")
    return process.stdout


def hash_operations(groups: Iterable[str], processor: str | None) -> dict[str, str]:
    """SHA-256 of each operation's result."""
    lines = run_python(["tests.emulation.operations", *groups], processor).splitlines()
    found: dict[str, str] = json.loads(lines[-1])
    return found


def hash_task(task: str, encoder: Path, folder: Path, processor: str | None, networks: bool) -> dict[str, str]:
    """Run a task's stages on tiny samples in a new folder.

    Args:
        task: all of its stages, or up to the training.
        encoder: the tiny text encoder.
        folder: is emptied.
        processor: None for this one.
        networks: the default recipe's network instead of a tiny one, up to the training.

    Returns:
        SHA-256 of each file that they wrote, but not of the seconds they took.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    changes, stages = (NETWORKS[task], NETWORK_STAGES[task]) if networks else (CHANGES.get(task, {}), STAGES[task])
    write_params(folder, changed_params(encoder, changes))
    run_python(["tests.emulation.stages", *(f"{task}.{stage}" for stage in stages)], processor, folder)
    files = sorted(path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file())
    names = [path.relative_to(folder) for path in files]
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in zip(names, files, strict=True)
        if "timing" not in name.parts
    }


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Names whose digests differ, or that one side lacks."""
    return sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def report(what: str, processor: str, here: Mapping[str, str], there: Mapping[str, str], seconds: float) -> bool:
    """Print one line; True where all is equal."""
    names = differing(here, there)
    verdict = f"differ: {', '.join(names)}" if names else "all equal"
    print(f"{what}: {len(here)} results, here and as {PROCESSORS[processor]}: {verdict} ({seconds:.0f} s)", flush=True)
    return not names


def main(
    groups: Annotated[list[str] | None, typer.Argument(help="groups of operations, or single ones")] = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="the arguments are tasks, whose tiny pipelines run")] = False,
    networks: Annotated[bool, typer.Option("--networks", help="with --tasks: the default recipes' networks")] = False,
    processors: Annotated[str, typer.Option(help="AMD, Intel, or both with a comma")] = "AMD,Intel",
    keep: Annotated[Path | None, typer.Option(help="folder in which the tasks' files stay")] = None,
) -> None:
    """Compare bytes between this processor and emulated ones."""
    if networks and not tasks:
        raise typer.BadParameter("--networks needs --tasks")
    if shutil.which(EMULATOR) is None:
        raise typer.BadParameter(f"{EMULATOR} is not installed; Debian and Ubuntu: apt-get install qemu-user")
    equal = True
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) if keep is None else keep.resolve()
        encoder = place / "encoder"
        if tasks:
            encoder.mkdir(parents=True, exist_ok=True)
            make_encoder(encoder)
        for what in groups or (STAGES if tasks else GROUPS):

            def hashes(processor: str | None, what: str = what) -> dict[str, str]:
                if tasks:
                    return hash_task(what, encoder, place / f"{what}-{processor or 'here'}", processor, networks)
                return hash_operations([what], processor)

            here = hashes(None)
            for processor in processors.split(","):
                started = time.perf_counter()
                equal &= report(what, processor, here, hashes(processor), time.perf_counter() - started)
    raise typer.Exit(0 if equal else 1)


if __name__ == "__main__":
    typer.run(main)
