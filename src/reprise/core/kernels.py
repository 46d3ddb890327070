"""The same bytes on every x86-64 processor with AVX2: which kernels the numerical libraries use, fixed beforehand.

torch, MKL, oneDNN, OpenBLAS and numpy look at the processor and take the widest vector instructions it has, and MKL
takes other paths on AMD than on Intel. Each way of adding up numbers rounds differently, so a training ends with
other weights. What all x86-64 processors since Intel's Haswell (2013) and AMD's Zen (2017) share is AVX2 with FMA:
with these variables in the environment each library uses that, on every one of them. Child processes inherit them.

The stage runner pins before it imports a stage, where `hardware.same_bytes` in params.yaml says so. GPUs have kernels
of their own and are not concerned. `python -m tests.emulation.compare` compares single operations, those that stages
at full size call, and tiny pipelines of the tasks, under emulation: docs/developing.md.
"""

import hashlib
import importlib.metadata
import os
import sys
from pathlib import Path

PINS = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # convolutions
    # torch's linear algebra, FFT, exp, sqrt, ... With any other value MKL takes other paths on AMD than on Intel for
    # all of them but large matrix products, which are slow in this mode: see `reprise.core.equal_ops`.
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",  # numpy's and scipy's linear algebra
    # numpy's AVX2 kernels go too, though AMD and Intel agree on them: QEMU, with which the tests prove that, sorts
    # wrongly with them. Sorting is what it costs: 0.2 s for a million numbers.
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
}
LIBRARIES = ("numpy", "torch")


def pin() -> None:
    """Put the pins into the environment, whatever it held; not where the processor lacks AVX2.

    One line of warning says where numpy or torch is loaded already, and so keeps the kernels it has chosen.
    """
    if os.uname().machine != "x86_64" or pinned():
        return
    if not can_pin():
        _warn("this processor lacks AVX2: results differ in the last bits from those of others")
        return
    if loaded := [name for name in LIBRARIES if name in sys.modules]:
        _warn(f"{' and '.join(loaded)} loaded before: results differ in the last bits from those of other processors")
    os.environ.update(PINS)


def pinned() -> bool:
    """Whether the pins are in the environment."""
    return PINS.items() <= os.environ.items()


def can_pin() -> bool:
    """Whether this processor has the kernels that are pinned."""
    return os.uname().machine == "x86_64" and _has_avx2()


def chosen() -> str:
    """Which kernels compute here, and on how many threads: part of the key of whatever is kept to be used again.

    That is the version of torch, the number of its threads, by which a sum is cut into parts, and, where they are
    pinned, the operations that `equal_ops.py` replaces: what older ones computed is not used again. Where torch is not
    loaded, it computes nothing either, and is not loaded for this.
    """
    version = f"torch {importlib.metadata.version('torch')}"
    if torch := sys.modules.get("torch"):
        version += f" on {torch.get_num_threads()} threads"
    if not pinned():
        return f"{version} fastest"
    replaced = Path(__file__).with_name("equal_ops.py").read_bytes()
    return f"{version} pinned {hashlib.sha256(replaced).hexdigest()[:16]}"


def _has_avx2() -> bool:
    """Whether Linux lists AVX2 and FMA among the processor's features; True where it lists none.

    Not read from /proc/cpuinfo, for which some kernels measure the clock of every core.
    """
    try:
        with open("/sys/devices/system/cpu/modalias", encoding="ascii") as file:  # noqa: PTH123 -- pathlib is slow
            features = file.read().partition("feature:")[2].strip().split(",")
    except OSError:
        return True
    return len(features) < 2 or {"0125", "008C"} <= set(features)  # Linux' numbers: word 9 bit 5, word 4 bit 12


def _warn(line: str) -> None:
    import logging

    logging.getLogger("reprise").warning("kernels are not pinned: %s", line)
