"""The stage runner, in processes of its own: exit codes, one line for the user's mistakes, signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from reprise.core import kernels
from reprise.core.errors import InputError, out_of_memory
from reprise.core.stage import find_stage, log_path, stage_name, timed
from tests.conftest import ROOT, read_params, write_params

SCRIPT = """
import os, sys, time
from reprise.core import stage
from reprise.core.errors import InputError, out_of_memory

def main(what):
    if what == "input":
        raise InputError("table.csv:3: no column `id`")
    if what == "defect":
        raise ZeroDivisionError("oops")
    if what == "disk":
        raise OSError(28, "No space left on device", "models/x.safetensors")
    if what == "kernels":
        print(sorted(name for name in sys.modules if name in ("numpy", "torch")))
        import torch
        print(torch.backends.cpu.get_cpu_capability(), os.environ.get("MKL_CBWR"))
    if what == "words":
        stage.logger.info("three words here")
    if what == "wait":
        print("waiting", flush=True)
        time.sleep(60)

stage.find_stage = lambda command_line: (main, command_line[1:])
stage.run_stage(["toy", *sys.argv[1:]])
"""


def start(folder: Path, what: str, **hardware: Any) -> "subprocess.Popen[str]":
    (folder / "toy.py").write_text(SCRIPT)
    params = read_params()
    write_params(folder, {"hardware": params["hardware"] | hardware, "log": params["log"] | {"files": 2}})
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DVC_STAGE": "toy@1"}
    command = [sys.executable, "toy.py", what]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell starts what it runs in the background with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


LEAVING = """
import atexit, threading, time
from reprise.core.stage import leave

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
atexit.register(print, "exit function")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("main")
leave(3)
"""


def test_leaving_waits_for_threads_and_exit_functions_and_loses_no_output():
    found = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (3, "main\nthread\nexit function\n", "")


def test_leaving_with_a_closed_standard_output_keeps_the_exit_code():
    script = "from reprise.core.stage import leave; leave(0)"
    command = ["/bin/sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, script]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("under_dvc", [True, False])
def test_run_py_ends_with_the_stages_exit_code_under_dvc_and_by_hand(tmp_path, under_dvc):
    environment = os.environ | ({"DVC_STAGE": "toy"} if under_dvc else {})
    if not under_dvc:
        environment.pop("DVC_STAGE", None)
    write_params(tmp_path, read_params())
    script = [sys.executable, str(ROOT / "src/run.py"), "no.stage"]
    found = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "no stage 'no.stage'" in found.stdout


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
    assert ("exit code" in output.splitlines()[-1]) == (code != 0)
    log = (tmp_path / ".logs/toy@1.log").read_text()
    assert expected in log
    assert log.splitlines()[-1].endswith(f"exit code {code}")


@pytest.mark.parametrize("named", [True, False])
def test_lines_of_stages_side_by_side_begin_with_the_stage(tmp_path, monkeypatch, named):
    monkeypatch.delenv("REPRISE_NAME_LINES", raising=False)
    if named:
        monkeypatch.setenv("REPRISE_NAME_LINES", "1")
    output, _ = start(tmp_path, "words").communicate(timeout=60)
    first, second, third = output.splitlines()
    assert first.startswith("toy@1: started")
    assert second == ("toy@1: three words here" if named else "three words here")
    assert third.startswith("toy@1: done in")
    output, _ = start(tmp_path, "defect").communicate(timeout=60)
    assert any("ZeroDivisionError: oops" in line for line in output.splitlines())
    assert all(line.startswith("toy@1: ") for line in output.splitlines()) == named


def test_each_run_has_a_log_of_its_own_and_old_ones_go(tmp_path):
    for _ in range(3):
        start(tmp_path, "nothing").communicate(timeout=60)
    logs = sorted((tmp_path / ".logs/toy@1").glob("*.log"))
    assert len(logs) == 2  # log.files
    newest = tmp_path / ".logs/toy@1.log"
    assert newest.resolve() == logs[-1].resolve()
    assert "exit code 0" in newest.read_text()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"), "(2.00 GiB asked for)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes."), "(4096 bytes"),
        (MemoryError("Unable to allocate 1.5 TiB for an array"), "(1.5 TiB asked for)"),
        (MemoryError(), "out of memory; lower batch_size"),
        (RuntimeError("could not create a primitive"), "out of memory; lower batch_size"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "out of memory; lower batch_size"),
    ],
)
def test_memory_that_ran_out_is_one_line_that_says_what_to_lower(error, said):
    line = out_of_memory(error)
    assert line is not None
    assert said in line
    assert all(word in line for word in ("batch_size", "accumulate", "precision"))


def test_torch_itself_says_it_that_way():
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60, dtype=torch.uint8)
    assert f"({2**60} bytes asked for)" in str(out_of_memory(error.value))
    assert out_of_memory(RuntimeError("shapes differ")) is None


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


def test_a_stage_is_found_by_its_name():
    main, arguments = find_stage(["documents.train", "3"])
    assert (main.__module__, arguments) == ("reprise.documents.stages.train", ["3"])
    assert stage_name(["documents.train", "3"]) == os.environ.get("DVC_STAGE", "documents-train-3")


@pytest.mark.parametrize(
    ("command_line", "message"),
    [
        ([], r"no stage ''; the stages are deepfake\.detector, "),
        (["documents.fit"], r"no stage 'documents\.fit'; the stages are "),
        (["documents.train"], r"documents\.train takes fold; got none"),
        (["taxonomy.recipe", "1", "2"], r"taxonomy\.recipe takes no argument; got 1 2"),
    ],
)
def test_a_wrong_command_line_is_one_line(command_line, message):
    with pytest.raises(InputError, match=message):
        find_stage(command_line)


def test_code_that_is_edited_while_a_stage_runs_fails_it(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    stage = tmp_path / "src/reprise/taxonomy/stages/recipe.py"
    stage.write_text(
        "from pathlib import Path\n\n\n"
        "def main() -> None:\n"
        "    path = Path(__file__)\n"
        "    path.write_text(path.read_text() + '# edited\\n')\n"
    )
    write_params(tmp_path, read_params())
    command = [sys.executable, "src/run.py", "taxonomy.recipe"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "reprise.taxonomy.stages.recipe: changed while the stage ran; run it again" in done.stdout


def test_kernels_are_pinned_where_params_say_so(tmp_path, monkeypatch):
    for name in kernels.PINS:
        monkeypatch.delenv(name, raising=False)
    pinned, _ = start(tmp_path, "kernels", same_bytes=True).communicate(timeout=120)
    assert "\n[]\nAVX2 COMPATIBLE\n" in pinned  # and neither library was loaded before
    free, _ = start(tmp_path, "kernels", same_bytes=False).communicate(timeout=120)
    assert " None\n" in free
    wrong, _ = start(tmp_path, "kernels", same_bytes="perhaps").communicate(timeout=120)
    assert "toy@1: params.yaml: hardware.same_bytes: " in wrong
