"""Folds that are taken out of params.yaml after they were trained: nothing of them is left in results."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, tiny_params, write_params
from tests.stage_files import digests
from tests.system.workspaces import DVC, environment

pytestmark = pytest.mark.system

RESULTS = ("models", "metrics", "data/documents/out_of_fold")


def dvc(folder: Path, *words: str) -> str:
    variables = environment() | {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run([DVC, *words], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clone(folder: Path, encoder: Path, cache: Path, folds: list[int]) -> Path:
    """A copy of the pipeline with tiny samples. Both clones share a cache, as colleagues do through a remote."""
    folder.mkdir()
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    dvc(folder, "init", "--no-scm", "--quiet")
    dvc(folder, "config", "cache.dir", str(cache))
    choose(folder, encoder, folds)
    return folder


def choose(folder: Path, encoder: Path, folds: list[int]) -> None:
    params = tiny_params(encoder)
    params["documents"]["folds"], params["documents"]["prepare"]["folds"] = folds, 5
    params["documents"]["sample"]["train_pages"] = 170  # ten a class
    params["documents"]["recipes"]["quick"]["epochs"] = 6
    write_params(folder, params)


def locked(folder: Path, stages: set[str]) -> dict[str, Any]:
    """What dvc.lock holds of stages."""
    lock = YAML(typ="safe").load((folder / "dvc.lock").read_text())["stages"]
    return {name: lock[name] for name in stages}


def test_a_clone_that_once_had_five_folds_ends_as_one_that_never_did(tmp_path, encoder_folder):
    cache = tmp_path / "cache"
    old = clone(tmp_path / "old", encoder_folder, cache, [0, 1, 2, 3, 4])
    dvc(old, "repro", "documents-evaluate")
    assert (old / "metrics/documents/fold-4").is_dir()
    choose(old, encoder_folder, [0, 1])
    printed = dvc(old, "repro", "documents-evaluate")
    assert "Running stage 'documents-train" not in printed, "its folds were trained already"
    new = clone(tmp_path / "new", encoder_folder, cache, [0, 1])
    dvc(new, "repro", "documents-evaluate")
    left = {Path(path).relative_to(old) for path in digests(*(str(old / name) for name in RESULTS))}
    assert not [path for path in left if any(f"fold-{fold}" in str(path) for fold in (2, 3, 4))]
    stages = {name for name in dvc(new, "stage", "list", "--name-only").split() if "documents" in name}
    assert locked(old, stages) == locked(new, stages)
    for name in RESULTS:
        assert digests_below(old / name) == digests_below(new / name)
    assert "up to date" in dvc(old, "repro", "documents-evaluate")


def digests_below(folder: Path) -> dict[str, str]:
    return {str(Path(path).relative_to(folder)): digest for path, digest in digests(str(folder)).items()}
