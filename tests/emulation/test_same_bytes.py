"""The short form of `tests.emulation.compare`: what decides most results, here and under emulation, bytes compared."""

import os
import shutil

import pytest

from reprise.core import kernels
from tests.emulation.compare import EMULATOR, PROCESSORS, differing, hash_operations

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the promise is of x86-64"),
    pytest.mark.skipif(shutil.which(EMULATOR) is None, reason=f"{EMULATOR} is not installed (apt: qemu-user)"),
]


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    assert kernels.pinned()
    return hash_operations(["numpy", "scipy", *TORCH], None)


TORCH = (
    "torch_matmul",
    "torch_linear",
    "torch_linear_one_row",
    "torch_batched_matmul",
    "torch_softmax",
    "torch_exp",
    "torch_log",
    "torch_sqrt",
    "torch_fft",
    "torch_norms",
    "torch_convolution_nhwc",
    "torch_convolution_1d",
    "torch_transformer_gradients",
    "torch_optimisers",
)


@pytest.mark.parametrize("processor", PROCESSORS)
def test_operations(here, processor):
    there = hash_operations(["numpy", "scipy", *TORCH], processor)
    assert not [name for name, value in there.items() if value.startswith("failed")]
    assert differing(here, there) == []


def test_without_pins_a_difference_is_found(here, monkeypatch):
    """The comparison can fail: a pin that is taken away shows."""
    monkeypatch.setitem(kernels.PINS, "ATEN_CPU_CAPABILITY", "default")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    monkeypatch.setenv(kernels.SWITCH, "0")  # the child does not put it back
    assert differing({"torch_softmax": here["torch_softmax"]}, hash_operations(["torch_softmax"], None))
