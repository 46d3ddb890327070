"""The pins, in processes of their own: what is set, when, and how it is taken back."""

import json
import os
import subprocess
import sys

import pytest

from reprise.core.kernels import PINS, SWITCH
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the pins are for x86-64")


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in PINS and name != SWITCH}
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


def test_importing_the_package_pins_and_loads_nothing_heavy():
    done = run(f"import reprise{SHOW}", MKL_CBWR="AUTO")
    variables, modules = json.loads(done.stdout)
    assert variables == PINS
    assert not {"numpy", "torch", "logging", "pathlib", "pydantic"} & set(modules)
    assert done.stderr == ""


def test_libraries_take_the_pins():
    script = """
import reprise, numpy, torch
from numpy._core._multiarray_umath import __cpu_features__ as features
print(features["X86_V2"], features["X86_V3"], features["X86_V4"], torch.backends.cpu.get_cpu_capability())
"""
    assert run(script).stdout.split() == ["True", "False", "False", "AVX2"]


def test_switch_of_the_environment():
    variables, _ = json.loads(run(f"import reprise{SHOW}", **{SWITCH: "0", "MKL_CBWR": "AUTO"}).stdout)
    assert variables == {**dict.fromkeys(PINS), "MKL_CBWR": "AUTO"}


def test_release_gives_back_what_was_there_and_children_do_not_pin_again():
    script = f"""
import subprocess, sys
from reprise.core import kernels
kernels.release()
sys.exit(subprocess.run([sys.executable, "-c", '''import reprise{SHOW}''']).returncode)
"""
    variables, _ = json.loads(run(script, MKL_CBWR="AUTO").stdout)
    assert variables == {**dict.fromkeys(PINS), "MKL_CBWR": "AUTO"}


def test_one_line_says_where_numpy_was_first():
    done = run("import numpy, reprise")
    assert done.stderr.splitlines() == [
        "kernels are not pinned: numpy loaded before reprise: results differ in the last bits from those of a stage"
    ]
    assert run("import numpy, reprise", **PINS).stderr == ""  # pinned by the parent
