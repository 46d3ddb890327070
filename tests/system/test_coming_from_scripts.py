"""Every command of docs/coming-from-scripts.md, run in a clone whose data and models are tiny."""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from reprise.core.models import load_model
from tests.conftest import ROOT, tiny_params, write_params
from tests.system.forked_python import forked_python
from tests.test_coming_from_scripts import COMMANDS_OF_PAGE

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("coming from scripts")]

BIN = Path(sys.executable).parent
MODELS = {
    "taxonomy": "models/taxonomy/classifier.safetensors",
    "documents": "models/documents/fold-0.safetensors",
    "deepfake": "models/deepfake/detector.safetensors",
}
# What is not run here, and where it is: `make` needs an environment of its own, and wandb an account.
ELSEWHERE = {
    "make -j3 explainers": "tests/tools/test_makefile.py",
    "make report": "tests/system/test_report_page.py",
    "dvc artifacts get URL documents": "tests/system/test_s3.py",
    "dvc plots diff main": "tests/system/test_experiments.py",
}


@dataclasses.dataclass(frozen=True)
class Clone:
    """A clone of this repository, and the folder of the `python` that runs its stages."""

    folder: Path
    python: Path

    def call(self, *command: str) -> str:
        """Run a command to its good end, and return what it printed."""
        identity = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        places = [str(self.folder / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={
                **os.environ,
                **identity,
                "PATH": os.pathsep.join([str(self.python), str(BIN), os.environ["PATH"]]),
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(places),
                "WANDB_MODE": "offline",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout[-4000:]}"
        return done.stdout


def small_params(encoder: Path) -> dict[str, Any]:
    params = tiny_params(encoder)
    documents = params["documents"]
    documents["folds"], documents["prepare"]["folds"] = [0, 1, 2, 3], 4
    documents["sample"] |= {"unevenness": 0}  # with any seed each class has pages for four folds
    documents["recipe"] = "pretrained"  # which names no value, so that those of documents.train count, as on the page
    documents["train"] |= documents["recipes"]["quick"] | {"epochs": 6}  # the fifth is kept
    documents["recipes"]["basic"] = {"patience": 3}
    params["deepfake"]["sample"] |= {"train_utterances": 12}  # fewer teach an explainer nothing, which it refuses
    params["deepfake"]["train"] |= {"epochs": 15}
    params["deepfake"]["explainer"]["train"] |= {"epochs": 30, "patience": 0}
    return params


@pytest.fixture(scope="module")
def clone(tmp_path_factory, encoder_folder):
    folder = tmp_path_factory.mktemp("scripts") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / "dvc.lock").unlink()
    shutil.rmtree(folder / "metrics")
    subprocess.run(["git", "checkout", "--quiet", "--", "metrics/dvc.yaml"], cwd=folder, check=True)
    write_params(folder, small_params(encoder_folder))
    sweeps = YAML(typ="safe").load((folder / "sweeps.yaml").read_text())
    sweeps["documents"] |= {"halvings": 0}
    with (folder / "sweeps.yaml").open("w") as file:
        YAML().dump(sweeps, file)
    Image.new("RGB", (60, 80), "white").save(folder / "scan.jpg")
    with forked_python(tmp_path_factory.mktemp("python")) as python:
        clone = Clone(folder, python)
        clone.call("dvc", "repro", "--quiet")
        clone.call("git", "branch", "--move", "--force", "main")
        clone.call("git", "add", "--all")
        clone.call("git", "commit", "--quiet", "--message", "tiny")
        yield clone


@pytest.fixture
def restored(clone):
    """The clone, put back as it was whether the command ran or failed: with metrics, so that no stage is outdated."""
    yield clone
    clone.call("git", "clean", "--quiet", "--force", "-d")
    if clone.call("git", "status", "--porcelain"):
        clone.call("git", "reset", "--quiet", "--hard")
        clone.call("dvc", "checkout", "--quiet", "--force")


@pytest.mark.parametrize("command", [command for command in COMMANDS_OF_PAGE if command not in ELSEWHERE])
def test_the_command_runs(command, restored):
    folder = restored.folder
    if "wandb" in command or "tensorboard" in command:
        pytest.importorskip("wandb" if "wandb" in command else "tensorboard")
    if weights := re.search(r"(taxonomy|documents|deepfake)\.train\.weights", command):
        tensors, _ = load_model(folder / MODELS[weights[1]])
        tensors.pop("classifier.edge_index", None)
        torch.save({"model_state_dict": tensors, "epoch": 7}, folder / "best.pt")
    words = shlex.split(command.replace("--trials 20", "--trials 2").replace("tail -f", "tail"))
    printed = restored.call(*words)
    if command.startswith("dvc exp run"):
        assert "Running stage" in printed, "the value has an effect"
    if weights:
        assert "weights of epoch 7" in printed
        assert ("registered from the hierarchy, shape (2, " in printed) == (weights[1] == "taxonomy")
    if "keep_checkpoints" in command:
        assert list((folder / ".kept").rglob("epoch-005.safetensors"))
    if "modes=[ema]" in command:
        assert [path.name for path in (folder / "models/deepfake/explainers").iterdir()] == ["ema.safetensors"]


def test_what_is_not_run_here_is_run_elsewhere():
    assert ELSEWHERE.keys() <= set(COMMANDS_OF_PAGE)
    assert all((ROOT / path).exists() for path in ELSEWHERE.values())
