"""The stage runner, in processes of its own: exit codes, one line for the user's mistakes, signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reprise.core.stage import log_path, timed
from tests.conftest import ROOT

SCRIPT = """
import sys, time
from reprise.core.errors import InputError
from reprise.core.stage import run_stage

def main():
    what = sys.argv[1]
    if what == "input":
        raise InputError("table.csv:3: no column `id`")
    if what == "defect":
        raise ZeroDivisionError("oops")
    if what == "disk":
        raise OSError(28, "No space left on device", "models/x.safetensors")
    if what == "wait":
        print("waiting", flush=True)
        time.sleep(60)

run_stage(main)
"""


def start(folder: Path, what: str) -> "subprocess.Popen[str]":
    (folder / "toy.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": "toy@1"}
    command = [sys.executable, "toy.py", what]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.parametrize(
    ("what", "code", "expected", "traceback"),
    [
        ("nothing", 0, "toy@1: done in", False),
        ("input", 1, "toy@1: table.csv:3: no column `id`", False),
        ("disk", 1, "toy@1: models/x.safetensors: No space left on device", False),
        ("defect", 1, "ZeroDivisionError: oops", True),
    ],
)
def test_exit_codes_and_messages(tmp_path, what, code, expected, traceback):
    process = start(tmp_path, what)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert expected in output
    assert ("Traceback" in output) == traceback
    assert output.splitlines()[-1] == f"exit code {code}"
    assert expected in (tmp_path / ".logs/toy@1.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_cleanly(tmp_path, number):
    process = start(tmp_path, "wait")
    assert process.stdout is not None
    while "waiting" not in process.stdout.readline():
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "toy@1: interrupted after" in output
    assert "Traceback" not in output


def test_figures_of_a_block(tmp_path):
    with timed(tmp_path / "t.json") as figures:
        time.sleep(0.02)
        figures["documents"] = 3
    written = json.loads((tmp_path / "t.json").read_text())
    assert 0.02 <= written["seconds"] < 5
    assert written["peak_memory_mib"] > 1
    assert written["documents"] == 3


def test_log_names_are_file_names():
    assert str(log_path("a/b c@1")) == ".logs/a-b-c@1.log"
