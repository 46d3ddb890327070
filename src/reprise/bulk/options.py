"""The options that turn a command of `reprise predict` to sources of any size, the same for every task."""

from typing import Annotated

import typer

from reprise.core.errors import InputError

To = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Write parquet shards there, on disk or s3://...; goes on where a run ended."),
]
Engine = Annotated[str | None, typer.Option(metavar="ray", help="With --to: share the work on a Ray cluster.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="With --engine: copies of the model; by default one a core, or one a GPU."),
]
ShardRows = Annotated[int | None, typer.Option(min=1, help="With --to: rows a shard, at most.")]


def refuse_bulk_options(engine: str | None, workers: int | None, shard_rows: int | None) -> None:
    """Refuse what means nothing without `--to`.

    Raises:
        InputError: one of them is given.
    """
    for name, value in (("engine", engine), ("workers", workers), ("shard-rows", shard_rows)):
        if value is not None:
            raise InputError(f"--{name} goes with --to, which names the folder of the results")


def one_source(sources: list[str]) -> str:
    """The one source that `--to` takes.

    Raises:
        InputError: several.
    """
    if len(sources) != 1:
        raise InputError(f"--to takes one folder to predict, not {len(sources)}")
    return sources[0]
