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


def test_a_learning_rate_for_all_tasks_retrains_the_one_that_is_asked_for(clone):
    before = read_params()["taxonomy"]["train"]["lr"]
    printed = call(clone, "dvc", "exp", "run", "-S", "train.lr=5e-4", "--name", "slower", "taxonomy-evaluate")
    ran = set(re.findall(r"^Running stage '(.+)':", printed, re.MULTILINE))
    assert ran == {"recipe@taxonomy", "taxonomy-train", "taxonomy-self-train", "taxonomy-evaluate"}, printed
    assert "lr 0.0005, from train" in printed

    changed = json.loads(call(clone, "dvc", "params", "diff", "--json"))
    assert changed["params.yaml"]["train.lr"] == {"old": None, "new": 0.0005}
    assert changed["models/taxonomy/recipe.yaml"]["lr"] == {"old": before, "new": 0.0005, "diff": 0.0005 - before}
    metrics = json.loads(call(clone, "dvc", "metrics", "diff", "--json"))
    assert metrics
    assert {path.split("/")[1] for path in metrics} == {"taxonomy"}
    assert "metrics/taxonomy/evaluation.json" in metrics
    plots = json.loads(call(clone, "dvc", "plots", "diff", "--json"))["data"]["Taxonomy training loss"]
    assert {row["rev"] for row in plots[0]["content"]["data"]["values"]} == {"HEAD", "workspace"}
    assert call(clone, "git", "diff", "--stat", "params.yaml").splitlines()[-1] == (
        " 1 file changed, 1 insertion(+), 1 deletion(-)"
    )

    shown = call(clone, "dvc", "exp", "show", "--csv", "--no-pager", "--only-changed")
    assert "slower" in shown
    assert "0.0005" in shown
    call(clone, "git", "checkout", "--quiet", ".")
    assert YAML(typ="safe").load((clone / "params.yaml").read_text())["train"]["lr"] is None
    call(clone, "dvc", "exp", "apply", "slower")
    assert YAML(typ="safe").load((clone / "params.yaml").read_text())["train"]["lr"] == 5.0e-4
    assert "up to date" in call(clone, "dvc", "repro", "taxonomy-evaluate"), "what was applied is what was computed"
    call(clone, "git", "checkout", "--quiet", ".")
    call(clone, "dvc", "checkout", "--quiet")


def test_an_experiment_in_a_copy_runs_the_copys_code(clone):
    """The environment holds an editable install of this checkout, which `--temp` and the queue must not import."""
    stage = clone / "src/reprise/taxonomy/stages/recipe.py"
    stage.write_text(stage.read_text() + '    print("the code of the copy")\n')
    printed = call(clone, "dvc", "exp", "run", "--temp", "--name", "copied", "recipe@taxonomy")
    assert "the code of the copy" in printed
    call(clone, "git", "checkout", "--quiet", ".")
