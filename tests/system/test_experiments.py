"""`dvc exp run -S train.lr=5e-4`, literally, in a clone that shares this checkout's cache; and what DVC says of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, read_params
from tests.system.workspaces import clone_with_results

pytestmark = pytest.mark.system

BIN = Path(sys.executable).parent


def call(folder: Path, *command: str) -> str:
    identity = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **identity, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    assert "up to date" in call(ROOT, "dvc", "status"), "run `make repro` first"
    folder = tmp_path_factory.mktemp("experiment") / "clone"
    clone_with_results(folder)
    call(folder, "dvc", "config", "--local", "cache.dir", str(ROOT / ".dvc/cache"))
    call(folder, "dvc", "config", "--local", "cache.type", "symlink")  # nothing is copied, nothing may be changed
    call(folder, "dvc", "checkout", "--quiet")
    return folder


def test_a_learning_rate_retrains_the_tasks_that_leave_it_open(clone):
    params = read_params()
    tasks = ["taxonomy", "documents", "deepfake"]
    left_open = [task for task in tasks if params[task]["recipes"][params[task]["recipe"]].get("lr") is None]
    assert left_open == ["taxonomy"]
    printed = call(clone, "dvc", "exp", "run", "-S", "train.lr=5e-4", "--name", "slower")
    ran = set(re.findall(r"^Running stage '(.+)':", printed, re.MULTILINE))
    trained = {"taxonomy-train", "taxonomy-self-train", "taxonomy-evaluate"}
    assert ran == trained | {f"recipe@{task}" for task in tasks}, printed

    changed = json.loads(call(clone, "dvc", "params", "diff", "--json"))
    assert changed["params.yaml"]["train.lr"]["old"] == 0.001
    assert changed["params.yaml"]["train.lr"]["new"] == 0.0005
    assert changed["models/taxonomy/recipe.yaml"]["lr"]["new"] == 0.0005
    metrics = json.loads(call(clone, "dvc", "metrics", "diff", "--json"))
    assert metrics
    assert {path.split("/")[1] for path in metrics} == {"taxonomy"}
    assert "metrics/taxonomy/evaluation.json" in metrics
    plots = json.loads(call(clone, "dvc", "plots", "diff", "--json"))["data"]["Taxonomy training loss"]
    assert {row["rev"] for row in plots[0]["content"]["data"]["values"]} == {"HEAD", "workspace"}

    shown = call(clone, "dvc", "exp", "show", "--csv", "--no-pager", "--only-changed")
    assert "slower" in shown
    assert "0.0005" in shown
    call(clone, "git", "checkout", "--quiet", ".")
    assert YAML(typ="safe").load((clone / "params.yaml").read_text())["train"]["lr"] == 1.0e-3
    call(clone, "dvc", "exp", "apply", "slower")
    assert YAML(typ="safe").load((clone / "params.yaml").read_text())["train"]["lr"] == 5.0e-4
    assert "up to date" in call(clone, "dvc", "repro"), "what was applied is what was computed"
