"""Shards on a Ray cluster: some actors read them, others, with a model each, predict them and write the results.

Ray Data (Luan et al., "The Streaming Batch Model for Efficient and Fault-Tolerant Heterogeneous Execution", 2025)
starts no more reading than its object store has room for, in bytes, restarts actors that die, and gives their shards
to others. Only counts come back to the process that began the run.

The cluster is the one that RAY_ADDRESS names, else one on this machine for the length of the run.
"""

import dataclasses
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from reprise.bulk.job import Done, Job, Predict
from reprise.bulk.shards import SHARD_BYTES, Shard
from reprise.core.errors import InputError

# Ray reads these when it is imported. Its C++ part logs every restarted actor as an error on the console.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

try:
    import ray
    import ray.data
except ImportError:
    raise InputError("--engine ray needs Ray: run `make ray-env`") from None

PREDICTOR_CPUS, READER_CPUS = 0.9, 0.1  # one of each share a core
READS_FOR = 8  # that predict, one that reads
STORE_BYTES = 200_000_000  # the least for the object store of a cluster of our own


def predict_on_ray(job: Job, shards: Sequence[Shard], workers: int | None) -> Iterator[Done]:
    """Predict shards; their results come in any order.

    Args:
        job: the whole job.
        shards: those that wait.
        workers: actors; None: one a core, or one a GPU.

    Raises:
        InputError: what a task or an actor refuses, or more workers than the cluster has room for.
    """
    mine = not ray.is_initialized()
    if mine:
        connect(workers)
    try:
        for row in dataset(job, shards, workers).iter_rows():
            if row["failure"]:
                raise InputError(row["failure"])
            yield Done(row["rows"], row["errors"])
    finally:
        if mine:
            ray.shutdown()


def connect(workers: int | None) -> None:
    """Join the cluster of RAY_ADDRESS, or start one on this machine."""
    options: dict[str, Any] = {}
    if not os.environ.get("RAY_ADDRESS"):
        cores = workers or os.cpu_count() or 1
        store = max(STORE_BYTES, 3 * cores * SHARD_BYTES)
        options = {"include_dashboard": False, "object_store_memory": store}
    ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


def dataset(job: Job, shards: Sequence[Shard], workers: int | None) -> Any:
    """The stream of what became of each shard."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # there is one of rows
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a shard of long recordings takes what it takes
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    gpus = int(ray.cluster_resources().get("GPU", 0)) if job.task.accelerator != "cpu" else 0
    room = gpus or int(ray.cluster_resources().get("CPU", 0))
    if (workers or 1) > room:
        raise InputError(f"--workers {workers}: the cluster has {room} {'GPUs' if gpus else 'cores'}")
    workers = min(workers or room, len(shards))
    job = dataclasses.replace(job, shards=())  # each actor carries it along
    rows = ray.data.from_items([dataclasses.asdict(shard) for shard in shards], override_num_blocks=len(shards))
    read = rows.map_batches(Reader, compute=pool(-(-workers // READS_FOR)), num_cpus=READER_CPUS, **one_shard(job))
    gpu = 1 if gpus else 0
    return read.map_batches(Predictor, compute=pool(workers), num_cpus=PREDICTOR_CPUS, num_gpus=gpu, **one_shard(job))


def pool(size: int) -> Any:
    """Actors that take a shard after the other; the next one is on its way to them meanwhile."""
    return ray.data.ActorPoolStrategy(
        size=size,
        max_tasks_in_flight_per_actor=2,
        max_concurrent_calls_per_actor=1,
        enable_true_multi_threading=True,  # that is, in the main thread, where a time limit can interrupt
    )


def one_shard(job: Job) -> dict[str, Any]:
    """How an actor is made, and given a block of one row, which Ray Data cannot cut."""
    return {"fn_constructor_args": (job,), "batch_size": 1, "batch_format": "pyarrow"}


class Reader:
    """Reads shards: one actor for several that predict. Tasks would do, but Ray ends their processes between two reads.

    Args:
        job: knows where the rows are.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, block: Any) -> Any:
        return read_block(self.job, Shard(**block.to_pylist()[0]))


def read_block(job: Job, shard: Shard) -> Any:
    """A shard as a table of one row: its range, its content, and what the reader refused."""
    import pyarrow as pa

    row: dict[str, Any] = {**dataclasses.asdict(shard), "content": b"", "failure": None}
    try:
        row["content"] = job.read(shard)
    except InputError as error:
        row["failure"] = str(error)
    numbers = [(field.name, pa.int64()) for field in dataclasses.fields(Shard) if field.name != "file"]
    kinds = [("file", pa.string()), *numbers, ("content", pa.large_binary()), ("failure", pa.string())]
    return pa.Table.from_pylist([row], pa.schema(kinds))


class Predictor:
    """Loads its own model at its first shard, so that an error in the model is recorded as that shard's failure.

    Args:
        job: knows the model, and where results go.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.predict: Predict | None = None

    def __call__(self, block: Any) -> dict[str, list[Any]]:
        """Predict what `read_block` gave, and write it; counts and a failure come back."""
        (row,) = block.to_pylist()
        content, failure, done = row.pop("content"), row.pop("failure"), Done(0, 0)
        try:
            if failure is None:
                self.predict = self.predict or self.job.open()
                shard = Shard(**row)
                done = self.job.finish(shard, self.predict(shard, content))
        except InputError as error:
            failure = str(error)
        return {"rows": [done.rows], "errors": [done.errors], "failure": [failure or ""]}
