"""The short form of `python -m tests.emulation.compare`: few operations, on one emulated processor."""

import shutil

import pytest

from tests.emulation.compare import EMULATOR, differing, run_operations

INSTALLED = shutil.which(EMULATOR) is not None
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not INSTALLED, reason=f"{EMULATOR} is not installed: apt-get install qemu-user"),
]


def test_an_emulated_amd_processor_computes_the_same_bytes():
    here, there = run_operations(["numpy"], None), run_operations(["numpy"], "AMD")
    assert len(here.hashes) > 10
    assert not [name for name, result in here.hashes.items() if "failed" in result]
    assert differing(here.hashes, there.hashes) == []
    assert there.approximate == {}


def test_approximate_instructions_are_found():
    """torch's own logarithm executes one; the one that takes its place does not."""
    assert run_operations(["torch_log10"], "Intel").approximate == {}
    assert run_operations(["torchs_own_logarithm"], "Intel").approximate["torchs_own_logarithm: rcpps"] > 0
