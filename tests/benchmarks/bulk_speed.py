"""How fast a folder of shards fills: one process, and Ray with one and with two actors, one after the other.

    python -m tests.benchmarks.bulk_speed reviews.txt --rows 10000 --shard-rows 500
    python -m tests.benchmarks.bulk_speed reviews.txt --rows 100000 --models tiny/models/taxonomy --ways one,ray-2

Takes the first rows of the source over and over until there are enough. Prints a line a way: rows a second between the
first and the last shard, so without the time to load, by the clock and by the CPU time of all processes of the run; and
the largest resident memory of the process that began the run, and of the largest actor.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from reprise.core.command import run_command

SECONDS = 0.5  # between two looks at the processes


def main(
    source: Annotated[Path, typer.Argument(help="Lines of texts.")],
    rows: int = 10_000,
    shard_rows: int = 500,
    models: Path = Path("models/taxonomy"),
    ways: str = "one,ray-1,ray-2",
) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [line.partition("\t")[2] or line for line in source.read_text().splitlines()]
        texts = Path(folder, "texts.txt")
        with texts.open("w") as file:
            file.writelines(f"{number}\t{lines[number % len(lines)]}\n" for number in range(rows))
        for way in ways.split(","):
            print(json.dumps({"way": way, **measure(way, texts, Path(folder, way), shard_rows, models)}), flush=True)


def measure(way: str, texts: Path, target: Path, shard_rows: int, models: Path) -> dict[str, Any]:
    """Run the command one way."""
    command = [sys.executable, "-m", "reprise.cli", "predict", "taxonomy", str(texts), "--to", str(target)]
    command += ["--shard-rows", str(shard_rows), "--models", str(models), "--accelerator", "cpu"]
    if way.startswith("ray-"):
        command += ["--engine", "ray", "--workers", way.removeprefix("ray-")]
    started, looks = time.monotonic(), Looks()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    looks.follow(process, target)
    assert process.returncode == 0
    times = sorted(path.stat().st_mtime for path in target.glob("rows-*"))
    first = int(way[-1]) if way.startswith("ray-") else 1  # each worker's first shard has the time to load in it
    found = {
        "rows_per_second": round((len(times) - first) * shard_rows / (times[-1] - times[first - 1]), 1),
        "rows_per_cpu_second": round(looks.shards_per_cpu_second(first) * shard_rows, 1),
        "seconds_with_start": round(time.monotonic() - started, 1),
        "driver_mib": round(looks.driver / 2**20),
        "largest_worker_mib": round(looks.largest / 2**20),
    }
    shutil.rmtree(target)
    return found


class Looks:
    """What is seen of a process and of those that it started."""

    def __init__(self) -> None:
        self.driver, self.largest = 0, 0
        self.cpu: dict[int, float] = {}
        self.course: list[tuple[int, float]] = []  # shards, and the CPU time that they had taken

    def shards_per_cpu_second(self, first: int) -> float:
        """How fast shards came, once there were `first` of them."""
        (start, before), *_ = (look for look in self.course if look[0] >= first)
        end = self.course[-1][0]
        after = next(cpu for shards, cpu in self.course if shards == end)
        return (end - start) / (after - before)

    def follow(self, process: "subprocess.Popen[bytes]", target: Path) -> None:
        """Look until it ends."""
        ended = threading.Event()
        thread = threading.Thread(target=self._look, args=(psutil.Process(process.pid), target, ended))
        thread.start()
        process.wait()
        ended.set()
        thread.join()

    def _look(self, driver: psutil.Process, target: Path, ended: threading.Event) -> None:
        while not ended.wait(SECONDS):
            try:
                self.driver = max(self.driver, driver.memory_info().rss)
                for process in (driver, *driver.children(recursive=True)):
                    used = process.cpu_times()
                    self.cpu[process.pid] = used.user + used.system
                    if "MapWorker" in " ".join(process.cmdline()):
                        self.largest = max(self.largest, process.memory_info().rss)
            except psutil.Error:
                continue
            self.course.append((len(list(target.glob("rows-*"))), sum(self.cpu.values())))


if __name__ == "__main__":
    run_command(main)
