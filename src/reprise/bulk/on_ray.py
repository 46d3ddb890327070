"""Shards on a Ray cluster: tasks read them, actors with a model each predict them and write the results.

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
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask
except ImportError:
    raise InputError("--engine ray needs Ray: run `make ray-env`") from None

ACTOR_CPUS, READER_CPUS = 0.9, 0.1  # an actor and a reader share a core
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
    pool = ray.data.ActorPoolStrategy(
        size=min(workers or room, len(shards)),
        max_tasks_in_flight_per_actor=2,  # one is read while another is predicted
        max_concurrent_calls_per_actor=1,
        enable_true_multi_threading=True,  # that is, in the main thread, where a time limit can interrupt
    )
    read = ray.data.read_datasource(ShardSource(job, shards), override_num_blocks=len(shards), num_cpus=READER_CPUS)
    return read.map_batches(
        Actor,
        fn_constructor_args=(dataclasses.replace(job, shards=()),),
        batch_size=1,
        batch_format="pyarrow",
        compute=pool,
        num_cpus=ACTOR_CPUS,
        num_gpus=1 if gpus else 0,
    )


class ShardSource(Datasource):
    """Shards as blocks of one row, which Ray Data cannot cut.

    Args:
        job: knows how to read one.
        shards: to read.
    """

    def __init__(self, job: Job, shards: Sequence[Shard]) -> None:
        self.job, self.shards = dataclasses.replace(job, shards=()), shards  # each task carries it along

    def estimate_inmemory_data_size(self) -> int:
        return sum(map(self._size, self.shards))

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        return [self._task(shard) for shard in self.shards]

    def _size(self, shard: Shard) -> int:
        return max(1, min(shard.stop - shard.start, SHARD_BYTES))

    def _task(self, shard: Shard) -> ReadTask:
        job = self.job
        size = BlockMetadata(num_rows=1, size_bytes=self._size(shard), input_files=None, exec_stats=None)
        return ReadTask(lambda: [read_block(job, shard)], size)


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


class Actor:
    """Has a model of its own, which it loads at its first shard, so that what is wrong with it is told as a failure.

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
