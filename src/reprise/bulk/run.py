"""Predict a source shard by shard, in this process or on a Ray cluster: the same shards, so the same results."""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from reprise.bulk.job import SUMMARY, BulkTask, Done, Job, prepare
from reprise.bulk.shards import Shard
from reprise.core.errors import InputError
from reprise.core.text import json_line


def predict_source(
    task: BulkTask, source: str, target: str, engine: str | None, workers: int | None, shard_rows: int | None
) -> None:
    """Predict everything in a source that is not done yet, and print the summary as a JSON line.

    Raises:
        InputError: what `prepare` and the task refuse.
        typer.Exit: with code 1, where a row is an error.
    """
    if engine not in (None, "ray"):
        raise InputError(f"no engine {engine!r}; the choice is ray, or none for one process")
    if engine is None and workers is not None:
        raise InputError("--workers goes with --engine ray")
    job = prepare(task, source, target, shard_rows)
    summary = run(job, engine, workers)
    typer.echo(json_line(summary))
    if summary["errors"]:
        raise typer.Exit(1)


def run(job: Job, engine: str | None = None, workers: int | None = None) -> dict[str, Any]:
    """Predict the shards that are not done yet.

    Returns:
        The counts of the whole job: rows, errors, shards, and of them those that were done before.
    """
    from tqdm import tqdm

    before = job.finished()
    waiting = [shard for shard in job.shards if shard not in before]
    counts = list(before.values())
    with tqdm(
        total=sum(shard.rows for shard in job.shards),
        initial=sum(done.rows for done in counts),
        unit="row",
        leave=False,
        disable=not sys.stderr.isatty(),
    ) as progress:
        for done in shards_done(job, waiting, engine, workers):
            counts.append(done)
            progress.update(done.rows)
    assert len(counts) == len(job.shards)
    summary = {"rows": sum(done.rows for done in counts), "errors": sum(done.errors for done in counts)}
    summary |= {"shards": len(counts), "shards_done_before": len(before)}
    job.target.write(SUMMARY, json.dumps(summary).encode())
    return summary


def shards_done(job: Job, waiting: Sequence[Shard], engine: str | None, workers: int | None) -> Iterator[Done]:
    """Predict shards, and tell of each when it is written."""
    if not waiting:
        return
    if engine == "ray":
        from reprise.bulk.on_ray import predict_on_ray

        yield from predict_on_ray(job, waiting, workers)
        return
    predict = job.open()
    for shard in waiting:
        yield job.finish(shard, predict(shard, job.read(shard)))
