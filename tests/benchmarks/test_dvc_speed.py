"""How long `dvc repro` takes to find that nothing has changed, against a graph where there is little to look at."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.benchmark

DVC = Path(sys.executable).with_name("dvc")
STAGES = 20
LARGEST_RATIO = 4.0


def seconds(folder: Path) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([DVC, "repro", "--quiet"], cwd=folder, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def test_nothing_to_do_is_found_out_soon(tmp_path):
    """30 stages with their data and 30 looks into params.yaml, against 20 stages of `true` with a file each."""
    lines = ["stages:"]
    for number in range(STAGES):
        (tmp_path / f"file{number}").write_text("x")
        lines += [f"  stage{number}:", "    cmd: 'true'", f"    deps: [file{number}]"]
    (tmp_path / "dvc.yaml").write_text("\n".join(lines) + "\n")
    subprocess.run([DVC, "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([DVC, "repro", "--quiet"], cwd=tmp_path, check=True)
    small, whole = seconds(tmp_path), seconds(ROOT)
    print(f"dvc repro with nothing to do: {whole:.2f} s, {STAGES} stages of `true`: {small:.2f} s, {whole / small:.2f}")
    assert whole <= LARGEST_RATIO * small
