"""Print what this machine has: devices, memory, versions, whether DVC's site cache is private, and `dvc doctor`.

    reprise doctor
    make doctor

For a report of an error, and before you try a large recipe.
"""

import os
import platform
import shutil
import stat
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from reprise.core.command import run_command
from reprise.core.text import for_terminal
from reprise.tools.repository import dvc_in_sight

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
    """Print what this machine has: devices, memory, versions, whether DVC's site cache is private, and `dvc doctor`."""
    for name, value in [*describe_machine(), *describe_devices(), *describe_packages(), describe_site_cache()]:
        typer.echo(f"{name:<24}{for_terminal(value)}")
    typer.echo("\ndvc doctor")
    dvc_in_sight("doctor")


def describe_machine() -> list[tuple[str, str]]:
    """System, processor, memory and disk."""
    import psutil

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
    """The processor's name, as the kernel reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_devices() -> list[tuple[str, str]]:
    """The accelerators that torch finds, with their memory."""
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


def describe_site_cache() -> tuple[str, str]:
    """Where DVC keeps its site cache when it is called by hand in this shell, and who else could write to it."""
    from dvc.config import Config
    from dvc.dirs import site_cache_dir

    configured = Config.from_cwd(validate=False).get("core", {}).get("site_cache_dir")
    folder = Path(site_cache_dir(configured)).absolute()
    fault = who_else_writes(folder)
    if fault is None:
        return "DVC's site cache", f"{folder}: private"
    return "DVC's site cache", f"{folder}: NOT PRIVATE: {fault}; set DVC_SITE_CACHE_DIR to a folder of your own"


def who_else_writes(folder: Path) -> str | None:
    """Who besides this user and root could put files into a folder, or replace it; None where nobody could.

    A folder above with the sticky bit, such as /tmp, lets nobody replace what another user owns in it.
    """
    there = [place for place in (folder, *folder.parents) if place.exists()]
    for place in there:
        status = place.stat()
        if status.st_uid not in (os.getuid(), 0):
            return f"{place} belongs to another user"
        shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if shared and (place == there[0] or not status.st_mode & stat.S_ISVTX):
            return f"other users can write to {place}"
    return None


if __name__ == "__main__":
    run_command(main)
