"""The pins, in processes of their own: what is set, when, and how it is taken back."""

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest
import torch

from reprise.core import kernels
from reprise.core.kernels import PINS
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the pins are for x86-64")


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in PINS}
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**inherited, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        check=True,
    )


SHOW = f"""
import json, os, sys
print(json.dumps([{{name: os.environ.get(name) for name in {sorted(PINS)}}}, sorted(sys.modules)]))
"""


PIN = "from reprise.core import kernels; kernels.pin()"


def test_pinning_sets_every_variable_and_loads_nothing_heavy():
    done = run(f"{PIN}{SHOW}", MKL_CBWR="AUTO")
    variables, modules = json.loads(done.stdout)
    assert variables == PINS
    assert not {"numpy", "torch", "pydantic"} & set(modules)
    assert done.stderr == ""


def test_importing_the_package_pins_nothing():
    variables, _ = json.loads(run(f"import reprise.core.kernels{SHOW}", MKL_CBWR="AUTO").stdout)
    assert variables == {**dict.fromkeys(PINS), "MKL_CBWR": "AUTO"}


def test_libraries_take_the_pins():
    script = f"""
{PIN}
import numpy, torch
from numpy._core._multiarray_umath import __cpu_features__ as features
print(features["X86_V2"], features["X86_V3"], features["X86_V4"], torch.backends.cpu.get_cpu_capability())
"""
    assert run(script).stdout.split() == ["True", "False", "False", "AVX2"]


def test_one_line_says_where_numpy_was_first():
    done = run(f"import numpy; {PIN}")
    assert done.stderr.splitlines() == [
        "kernels are not pinned: numpy loaded before: results differ in the last bits from those of other processors"
    ]
    assert run(f"import numpy; {PIN}", **PINS).stderr == ""  # pinned by the parent


def test_what_is_kept_is_keyed_by_the_operations_that_are_replaced(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in kernels.PINS:
        os.environ.pop(name, None)
    version = f"torch {importlib.metadata.version('torch')} on {torch.get_num_threads()} threads"
    assert kernels.chosen() == f"{version} fastest"
    os.environ.update(kernels.PINS)
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "kernels.py"))
    keys = []
    for text in ("one", "another", "one"):
        (tmp_path / "equal_ops.py").write_text(text)
        keys.append(kernels.chosen())
    assert keys[0] == keys[2] != keys[1]
    assert keys[0].startswith(f"{version} pinned ")


def test_the_threads_of_torch_count_where_it_is_loaded():
    script = """
import importlib, sys
from reprise.core import kernels
print(kernels.chosen(), "torch" in sys.modules)
torch = importlib.import_module("torch")
for threads in (1, 3):
    torch.set_num_threads(threads)
    print(kernels.chosen())
"""
    version = f"torch {importlib.metadata.version('torch')}"
    assert run(script).stdout.splitlines() == [
        f"{version} fastest False",
        f"{version} on 1 threads fastest",
        f"{version} on 3 threads fastest",
    ]
