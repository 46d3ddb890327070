"""A whole sweep of a tiny pipeline, by DVC's own experiments."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT

pytestmark = pytest.mark.system

BIN = Path(sys.executable).parent
SCRIPT = """
import json, os, sys, time
from ruamel.yaml import YAML
if "STARTED" in os.environ:
    with open(os.environ["STARTED"], "a") as file:
        file.write("x")
params = YAML(typ="safe").load(open("params.yaml"))["model"]
time.sleep(params["seconds"])
if params["x"] > 0.9:
    sys.exit("x is too large for this model")
score = (params["x"] - 0.6) ** 2 + 0.01 / params["epochs"] + (0.5 if params["kind"] == "bad" else 0)
json.dump({"score": {"loss": score}}, open("score.json", "w"))
"""
PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [model]
    metrics: [{score.json: {cache: false}}]
"""
PARAMS: dict[str, Any] = {
    "model": {"x": 0.1, "kind": "bad", "epochs": 8, "seconds": 0},
}
SWEEPS: dict[str, Any] = {
    "toy": {
        "stages": ["train"],
        "metric": "score.json:score.loss",
        "direction": "minimise",
        "epochs": "model.epochs",
        "halvings": 1,
        "space": {"model.x": {"uniform": [0.0, 1.0]}, "model.kind": {"choice": ["good", "bad"]}},
    }
}


def environment() -> dict[str, str]:
    identity = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, **identity, "PYTHONPATH": str(ROOT / "src"), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def call(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


@pytest.fixture
def toy(tmp_path):
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / ".gitignore").write_text(".logs/\n")
    write_params(folder)
    write_sweeps(folder, SWEEPS)
    for command in ("git init -q", "dvc init -q", "dvc repro -q", "git add -A", "git commit -qm first"):
        done = call(folder, *command.split())
        assert done.returncode == 0, done.stderr
    return folder


def write_params(folder: Path, **changes: float) -> None:
    with (folder / "params.yaml").open("w") as file:
        YAML().dump({**PARAMS, "model": {**PARAMS["model"], **changes}}, file)


def write_sweeps(folder: Path, sections: dict[str, Any]) -> None:
    with (folder / "sweeps.yaml").open("w") as file:
        YAML().dump(sections, file)


def sweep(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return call(folder, sys.executable, "-m", "reprise.tools.sweep", "toy", "--trials", "8", *options)


def test_a_sweep_finds_reports_continues_and_applies(toy):
    first = sweep(toy, "--jobs", "2")
    assert first.returncode == 1, "a trial failed"
    assert "x is too large for this model" in first.stderr + first.stdout
    assert first.stdout.count(" done: ") == 11, first.stdout  # 7 of 8, then the better 4
    names = call(toy, "dvc", "exp", "list", "--name-only").stdout.split()
    assert len(names) == 11
    ranked = [line.split() for line in (toy / ".logs/sweep-toy.csv").read_text().splitlines()[1:]]
    assert len(ranked) == 11
    assert (toy / ".logs/sweep-toy.png").read_bytes().startswith(b"\x89PNG")

    again = sweep(toy, "--apply")
    assert again.stdout.count(" found: ") == 11
    assert " done: " not in again.stdout
    assert "dvc exp apply toy-" in again.stdout
    score = json.loads((toy / "score.json").read_text())["score"]["loss"]
    full = [float(row[0].split(",")[2]) for row in ranked if row[0].split(",")[1] == "8"]
    assert score == pytest.approx(min(full))
    assert YAML(typ="safe").load((toy / "params.yaml").read_text())["model"]["kind"] == "good"
    shown = call(toy, "dvc", "exp", "show", "--csv", "--no-pager").stdout
    assert names[0] in shown


def test_a_killed_sweep_goes_on(toy, tmp_path):
    """Killed while its second trial trains: before that DVC has the trial's values in the workspace for a moment."""
    write_params(toy, seconds=2)
    call(toy, "git", "commit", "-qam", "slower")
    command = [sys.executable, "-m", "reprise.tools.sweep", "toy", "--trials", "4"]
    started = tmp_path / "started"
    process = subprocess.Popen(
        command,
        cwd=toy,
        env={**environment(), "STARTED": str(started)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not started.exists() or len(started.read_text()) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    rest = sweep(toy)
    assert " found: " in rest.stdout, rest.stdout + rest.stderr
    assert "ranked" not in rest.stderr
    assert (toy / ".logs/sweep-toy.csv").exists()


def test_mistakes_are_named(toy):
    done = call(toy, sys.executable, "-m", "reprise.tools.sweep", "nothing")
    assert (done.returncode, done.stderr.strip()) == (1, "sweeps.yaml: nothing: missing")
    sections = copy.deepcopy(SWEEPS)
    sections["toy"]["space"]["model.x"] = {"uniform": [2, 1]}
    write_sweeps(toy, sections)
    done = sweep(toy)
    assert done.returncode == 1
    assert "expected [from, to] with from < to" in done.stderr
