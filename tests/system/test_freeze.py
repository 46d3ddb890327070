"""`dvc freeze` and `dvc unfreeze` write dvc.yaml anew: what changes there is the stage that they name."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.system.workspaces import DVC

pytestmark = pytest.mark.system


def dvc(folder: Path, *words: str) -> None:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run([DVC, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def cut_out(stage: str, text: str) -> tuple[list[str], list[str]]:
    """A stage's lines, and all others."""
    lines = text.splitlines()
    start = lines.index(f"  {stage}:")
    end = next(number for number in range(start + 1, len(lines)) if not lines[number].startswith("   "))
    return lines[start:end], lines[:start] + lines[end:]


@pytest.mark.parametrize("stage", ["taxonomy-train", "deepfake-detector"])
def test_freezing_a_stage_changes_its_lines_alone(stage, tmp_path):
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    dvc(tmp_path, "init", "--no-scm", "--quiet")
    own, others = cut_out(stage, (tmp_path / "dvc.yaml").read_text())
    dvc(tmp_path, "freeze", stage)
    frozen, others_after = cut_out(stage, (tmp_path / "dvc.yaml").read_text())
    assert others_after == others
    # DVC sorts the stage's files by name; it adds one line and loses none.
    assert Counter(frozen) - Counter(own) == {"    frozen: true": 1}
    assert not Counter(own) - Counter(frozen)
    dvc(tmp_path, "unfreeze", stage)
    thawed, others_after = cut_out(stage, (tmp_path / "dvc.yaml").read_text())
    assert others_after == others
    assert Counter(thawed) == Counter(own)
