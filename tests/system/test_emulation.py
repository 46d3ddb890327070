"""The short form of `python -m tests.emulation.compare`: few operations, on one emulated processor."""

import shutil

import pytest

from tests.emulation.compare import EMULATOR, differing, hash_operations

pytestmark = pytest.mark.system

OPERATIONS = ["numpy"]


@pytest.mark.skipif(shutil.which(EMULATOR) is None, reason=f"{EMULATOR} is not installed: apt-get install qemu-user")
def test_an_emulated_amd_processor_computes_the_same_bytes():
    here, there = hash_operations(OPERATIONS, None), hash_operations(OPERATIONS, "AMD")
    assert len(here) > 10
    assert not [name for name, result in here.items() if "failed" in result]
    assert differing(here, there) == []
