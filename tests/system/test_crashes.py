"""Killed, terminated, short of space, started twice, and given damaged models."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.stage_files import digests
from tests.system.small_graph import SmallGraph
from tests.system.workspaces import DVC, STAGES, TRAININGS, copy, environment, make, run, start

pytestmark = pytest.mark.system

# Long enough that a moment between the imports and the end lies in the training.
LONGER: dict[str, dict[str, Any]] = {
    "taxonomy": {"taxonomy.recipes.minilm.epochs": 40, "taxonomy.self_train.iterations": 15},
    "documents": {"documents.recipes.quick.epochs": 20},
    "deepfake": {
        "deepfake.recipes.small.epochs": 15,
        "deepfake.sample.train_utterances": 12,
        "deepfake.explainer.train.epochs": 30,
        "deepfake.explainer.train.patience": 0,
    },
}
OUTPUTS = {
    "taxonomy-train": ["models/taxonomy/classifier.safetensors", "metrics/taxonomy/train"],
    "taxonomy-self-train": ["models/taxonomy/self_trained.safetensors", "metrics/taxonomy/self_train"],
    "documents-train": ["models/documents/fold-1.safetensors", "metrics/documents/fold-1"],
    "deepfake-detector": ["models/deepfake/detector.safetensors", "metrics/deepfake/detector"],
    "deepfake-explainer": ["models/deepfake/explainers/ema.safetensors", "metrics/deepfake/explainer-ema"],
}
KILLS = 3


def before(training: str) -> list[str]:
    """The stages of its task that come before a training."""
    task = training.split("-")[0]
    names = [f"{task}.{name}" for name in STAGES[task]]
    return STAGES[task][: names.index(TRAININGS[training])]


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory, encoder_folder):
    """Gives a folder in which all is done that comes before a training, and the training itself, never broken."""
    made: dict[str, tuple[Path, float]] = {}

    def give(training: str) -> tuple[Path, float]:
        if training not in made:
            task = training.split("-")[0]
            folder = tmp_path_factory.mktemp(training)
            make(folder, encoder_folder, task, LONGER[task], before(training))
            began = time.monotonic()
            run(TRAININGS[training], folder)
            made[training] = folder, time.monotonic() - began
        return made[training]

    return give


def outputs(folder: Path, training: str) -> dict[str, str]:
    found = digests(*(str(folder / name) for name in ("models", "metrics", "data")))
    return {str(Path(path).relative_to(folder)): digest for path, digest in found.items()}


def remove_outputs(folder: Path, training: str) -> None:
    """As DVC does before it starts a stage."""
    model, metrics = (folder / name for name in OUTPUTS[training])
    model.unlink(missing_ok=True)
    shutil.rmtree(metrics, ignore_errors=True)


def grouped(*trainings: str) -> list[Any]:
    """Tests of one training on one worker, which makes its folder once."""
    return [pytest.param(training, marks=pytest.mark.xdist_group(training)) for training in trainings]


@pytest.mark.parametrize("training", grouped(*TRAININGS))
def test_killed_at_random_moments_it_ends_with_the_same_bytes(training, workspaces, tmp_path):
    whole, seconds = workspaces(training)
    folder, draw = copy(whole, tmp_path / "broken"), random.SystemRandom()
    remove_outputs(folder, training)
    killed = 0
    for _ in range(KILLS):
        moment = draw.uniform(0.4, 0.95) * seconds
        process = start(TRAININGS[training], folder)
        time.sleep(moment)
        process.kill()
        process.communicate()
        print(f"{training}: killed after {moment:.2f} of {seconds:.2f} s: {process.returncode}")
        killed += process.returncode == -signal.SIGKILL
        remove_outputs(folder, training)
    assert killed, "it was never alive at the moment"
    output = run(TRAININGS[training], folder)
    assert outputs(folder, training) == outputs(whole, training), output
    assert not [path for path in (folder / "models").rglob(".*") if path.is_file()], "half-written files are left"


@pytest.mark.xdist_group("documents-train")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_ends_cleanly_and_goes_on_later(number, workspaces, tmp_path):
    training = "documents-train"
    whole, _ = workspaces(training)
    folder = copy(whole, tmp_path / "asked")
    remove_outputs(folder, training)
    process = start(TRAININGS[training], folder)
    for line in process.stdout or ():
        if "epoch 3/" in line:
            process.send_signal(number)
            break
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert number == signal.SIGINT or "interrupted after" in output  # on Ctrl-C Lightning ends the process itself
    assert "Traceback" not in output
    assert not (folder / OUTPUTS[training][0]).exists()
    remove_outputs(folder, training)
    assert "resuming from" in run(TRAININGS[training], folder)
    assert outputs(folder, training) == outputs(whole, training)


@pytest.fixture
def small_disk(tmp_path):
    """Gives a copy of a folder on a disk of its own that has just room for it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    mounted: list[Path] = []

    def give(source: Path) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        used = int(
            subprocess.run(
                ["du", "-s", "-B4096", str(source)], capture_output=True, text=True, check=True
            ).stdout.split()[0]
        )
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={used * 4096}", "tmpfs", str(folder)], check=True)
        mounted.append(folder)
        shutil.copytree(source, folder, dirs_exist_ok=True)
        return folder

    yield give
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("training", grouped("taxonomy-train", "documents-train", "deepfake-detector"))
def test_a_full_disk_is_named_and_nothing_half_written_is_trusted(training, workspaces, small_disk):
    whole, _ = workspaces(training)
    folder = small_disk(whole)
    remove_outputs(folder, training)
    fill(folder / "filler", leave=16_384)
    process = start(TRAININGS[training], folder)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "No space left on device" in output
    assert "Traceback" not in output
    assert not (folder / OUTPUTS[training][0]).exists()
    (folder / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=2g", str(folder)], check=True)
    remove_outputs(folder, training)
    run(TRAININGS[training], folder)
    assert outputs(folder, training) == outputs(whole, training)


def fill(path: Path, leave: int) -> None:
    """Fill a disk but for some bytes."""
    free = shutil.disk_usage(path.parent).free
    if free > leave:
        path.write_bytes(b"x" * (free - leave))


def start_repro(graph: SmallGraph, stage: str) -> "subprocess.Popen[str]":
    path = f"{graph.folder / 'bin'}{os.pathsep}{environment()['PATH']}"
    return subprocess.Popen(
        [DVC, "repro", stage],
        cwd=graph.folder,
        env={**os.environ, "PATH": path, "STAGE_SECONDS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_pipelines_side_by_side_do_no_harm(tmp_path):
    graph = SmallGraph(tmp_path)
    graph.params["taxonomy"]["core_classes"]["refined"]["rounds"] += 1
    graph.params["deepfake"]["explain"]["shown"] += 1
    graph.write_params()
    processes = [start_repro(graph, stage) for stage in ("taxonomy-evaluate", "deepfake-explain")]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    assert graph.repro() == {"taxonomy-ask"}, "what neither was asked for; the rest is in dvc.lock"


def test_the_same_stage_twice_says_why_not(tmp_path):
    graph = SmallGraph(tmp_path)
    graph.params["deepfake"]["explain"]["shown"] += 1
    graph.write_params()
    log = graph.folder / "started.log"
    log.unlink()
    first = start_repro(graph, "deepfake-explain")
    while not log.exists():
        time.sleep(0.05)
    second = start_repro(graph, "deepfake-explain")
    printed = second.communicate(timeout=120)[0]
    assert second.returncode != 0
    assert "is busy, it is being blocked by" in printed, printed
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert graph.repro() == set()


DAMAGED = {
    "taxonomy": (
        ["reprise.taxonomy.predict", "--text", "a lens"],
        ["self_trained.safetensors", "encoder/model.safetensors", "encoder/tokenizer.json"],
    ),
    "documents": (
        ["reprise.documents.predict", "data/documents/sample/test"],
        ["fold-0.safetensors", "fold-1.safetensors", "ensemble.json"],
    ),
    "deepfake": (
        ["reprise.deepfake.predict", "--explainer", "ema", "recording"],
        ["detector.safetensors", "explainers/ema.safetensors", "decision.json"],
    ),
}


@pytest.mark.parametrize("task", DAMAGED)
def test_a_damaged_model_is_refused_by_name(task, tmp_path, encoder_folder):
    folder = make(tmp_path / "whole", encoder_folder, task, LONGER[task])
    if task == "deepfake":
        run("deepfake.evaluate", folder)
    command, files = DAMAGED[task]
    recording = next((folder / "data").rglob("*.flac"), Path("none"))
    command = [str(recording) if word == "recording" else word for word in command]
    run(command, folder)
    draw = random.SystemRandom()
    for name in files:
        path = folder / "models" / task / name
        content = path.read_bytes()
        place = draw.randrange(len(content))
        flipped = content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]
        for damage, damaged in (("cut", content[: draw.randrange(1, len(content))]), (f"bit of {place}", flipped)):
            path.write_bytes(damaged)
            process = start(command, folder)
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 1, (name, damage, output)
            lines = [line for line in output.splitlines() if line.strip()]
            assert f"models/{task}/{name}" in lines[-1], (damage, output)
            assert "Traceback" not in output
        path.write_bytes(content)
