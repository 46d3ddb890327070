"""Prediction on a Ray cluster of two nodes on loopback: the same as one process, whatever dies.

`make test-system` installs Ray first (`make ray-env`), from requirements-ray.txt.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from reprise.bulk.job import PLAN, SUMMARY, prepare
from reprise.bulk.run import run
from tests.bulk.toy import ToyTexts
from tests.conftest import ROOT
from tests.stage_files import read as read_json
from tests.system.workspaces import make

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("ray")]

STORE_BYTES = 100_000_000
DRIVER = """
import sys
from pathlib import Path
from reprise.bulk.job import prepare
from reprise.bulk.run import run
from tests.bulk.toy import ToyTexts
source, target, models, seconds, workers = sys.argv[1:]
print(run(prepare(ToyTexts(Path(models), seconds=float(seconds)), source, target, None), "ray", int(workers)))
"""


def environment(address: str = "") -> dict[str, str]:
    paths = [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    here = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    return {**os.environ, **here, "RAY_ADDRESS": address}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes, a core each."""
    patch = pytest.MonkeyPatch()
    for name, value in environment().items():
        patch.setenv(name, value)
    patch.delenv("RAY_ADDRESS")
    from ray.cluster_utils import Cluster

    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()
        patch.undo()


@pytest.fixture
def texts(tmp_path) -> Path:
    """Three hundred lines, some of them errors: forty-three shards."""
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{'bad' if number % 50 == 7 else f'line {number}'}\n" for number in range(300)))
    (tmp_path / "models").write_text("weights")
    return path


def drive(cluster: str, texts: Path, target: Path, seconds: float = 0.0) -> "subprocess.Popen[str]":
    """Start a run of the task without a model in a process of its own."""
    words = [str(texts), str(target), str(texts.parent / "models"), str(seconds), "2"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-c", DRIVER, *words], env=environment(cluster), **pipes)


def finish(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("rows-*.parquet")}


def wait_for_shards(folder: Path, count: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 200
    while len(list(folder.glob("rows-*.parquet"))) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.05)


def actors() -> list[psutil.Process]:
    """The processes that predict."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if words[0].startswith("ray::MapWorker(MapBatches(Predictor") and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.fixture
def alone(texts, tmp_path) -> dict[str, bytes]:
    """What one process makes of the same lines."""
    run(prepare(ToyTexts(tmp_path / "models"), str(texts), str(tmp_path / "alone"), None))
    return shards(tmp_path / "alone")


def test_a_killed_worker_costs_nothing_but_time(cluster, texts, alone, tmp_path):
    process = drive(cluster, texts, tmp_path / "out", seconds=0.3)
    wait_for_shards(tmp_path / "out", 5, process)
    workers = actors()
    assert len(workers) == 2, "one on each node"
    workers[0].kill()
    finish(process)
    assert shards(tmp_path / "out") == alone
    assert read_json(str(tmp_path / "out" / SUMMARY)) == {
        "rows": 300, "errors": 6, "shards": 43, "shards_done_before": 0
    }  # fmt: skip


def test_a_killed_driver_goes_on_where_the_shards_end(cluster, texts, alone, tmp_path):
    process = drive(cluster, texts, tmp_path / "out", seconds=0.3)
    wait_for_shards(tmp_path / "out", 6, process)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while actors():  # the cluster ends what the driver began
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("rows-*.parquet")}
    assert 6 <= len(before) < len(alone)
    finish(drive(cluster, texts, tmp_path / "out"))
    assert shards(tmp_path / "out") == alone
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert read_json(str(tmp_path / "out" / SUMMARY))["shards_done_before"] == len(before)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*alone, PLAN, SUMMARY}


def test_a_failure_is_one_line(cluster, texts, tmp_path):
    texts.write_text(texts.read_text() + "none\n")
    process = drive(cluster, texts, tmp_path / "out")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert output.splitlines()[-1].endswith("InputError: the model gives no number")


def test_more_workers_than_cores_are_refused(cluster, texts, tmp_path):
    words = [str(texts), str(tmp_path / "out"), str(texts.parent / "models"), "0", "3"]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *words], env=environment(cluster), capture_output=True, text=True, check=False
    )
    assert "--workers 3: the cluster has 2 cores" in done.stderr


def test_texts_of_a_real_classifier(cluster, encoder_folder, tmp_path):
    """From the command line, as a person calls it."""
    folder = make(tmp_path / "taxonomy", encoder_folder, "taxonomy", {})
    lines = [f"d{number}\tthe ball head {'slips ' * (number % 9)}\n" for number in range(90)]
    (folder / "texts.txt").write_text("".join([*lines, "bad\t\n"]))
    command = [sys.executable, "-m", "reprise.cli", "predict", "taxonomy", "texts.txt", "--shard-rows", "10"]
    results = []
    for words in (["--to", "alone"], ["--to", "out", "--engine", "ray"]):
        done = subprocess.run(
            [*command, *words], cwd=folder, env=environment(cluster), capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stderr
        assert json.loads(done.stdout) == {"rows": 91, "errors": 1, "shards": 10, "shards_done_before": 0}
        results.append(shards(folder / words[1]))
    assert len(results[0]) == 10
    assert results[0] == results[1]
