"""CPU-seconds that a stage takes to start and to end, plainly and as `src/run.py` does it.

    python -m tests.benchmarks.stage_imports

Each stage's module is imported in processes of its own, one after the other. As run.py does it: without what
torchmetrics finds installed, without garbage collection, and without taking the interpreter apart at the end.
"""

import os
import statistics
import subprocess
import sys

import typer

STAGES = (
    "taxonomy.similarity",
    "taxonomy.train",
    "taxonomy.evaluate",
    "documents.prepare",
    "documents.train",
    "documents.evaluate",
    "deepfake.prepare",
    "deepfake.detector",
    "deepfake.windows",
    "deepfake.explain",
)
PLAIN = "import importlib, sys; importlib.import_module(sys.argv[1])"
AS_RUN = """
import importlib, sys
from reprise.core.light_imports import import_torchmetrics_light, without_garbage_collection
from reprise.core.stage import leave
with without_garbage_collection():
    import_torchmetrics_light()
    importlib.import_module(sys.argv[1])
leave(0)
"""


def seconds(script: str, module: str) -> float:
    """CPU-seconds of a process from its start to its end."""
    process = subprocess.Popen([sys.executable, "-c", script, module])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{module}: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main(times: int = 3) -> None:
    """Print a table: medians of so many processes of either kind."""
    print("| Stage | Plainly | As run.py does it |\n| --- | --- | --- |")
    for stage in STAGES:
        module = f"reprise.{stage.replace('.', '.stages.')}"
        pairs = [(seconds(PLAIN, module), seconds(AS_RUN, module)) for _ in range(times)]
        plain, as_run = (statistics.median(each) for each in zip(*pairs, strict=True))
        print(f"| `{stage.replace('.', '-')}` | {plain:.1f} | {as_run:.1f} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
