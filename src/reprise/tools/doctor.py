"""Print what this machine has: devices, memory, versions, and what `dvc doctor` says.

    python -m reprise.tools.doctor

For a report of an error, and before a large recipe is tried.
"""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = (
    "dvc",
    "dvc-s3",
    "dvclive",
    "lightning",
    "numpy",
    "pandas",
    "scikit-learn",
    "sentence-transformers",
    "timm",
    "torch",
    "torch-geometric",
    "torchvision",
    "transformers",
)
GIB = 2**30


def main() -> None:
    """Print everything."""
    for name, value in [*describe_machine(), *describe_devices(), *describe_packages()]:
        print(f"{name:<24}{value}", flush=True)
    print("\ndvc doctor", flush=True)
    subprocess.run(["dvc", "doctor"], check=False)


def describe_machine() -> list[tuple[str, str]]:
    """System, processor, memory and disk."""
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(Path())
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        ("system", platform.platform()),
        ("python", platform.python_version()),
        ("processor", processor_name()),
        ("cores", f"{psutil.cpu_count(logical=False)}, {psutil.cpu_count()} threads, {usable} usable by this process"),
        ("memory", f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} GiB available"),
        ("disk here", f"{disk.total / GIB:.0f} GiB, {disk.free / GIB:.0f} GiB free"),
    ]


def processor_name() -> str:
    """The processor's name, from the kernel where it tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_devices() -> list[tuple[str, str]]:
    """What torch finds: accelerators with their memory, or none."""
    import torch

    rows = [("torch threads", str(torch.get_num_threads()))]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        rows.append((f"cuda:{index}", f"{properties.name}, {total / GIB:.1f} GiB, {free / GIB:.1f} GiB free"))
    if torch.backends.mps.is_available():
        rows.append(("mps", "Apple GPU, shares the memory above"))
    if len(rows) == 1:
        rows.append(("accelerator", f"none (torch is built for CUDA {torch.version.cuda})"))
    return rows


def describe_packages() -> list[tuple[str, str]]:
    """Versions of the packages that decide results."""
    rows = []
    for name in PACKAGES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed: run `make env`"))
    return rows


if __name__ == "__main__":
    main()
