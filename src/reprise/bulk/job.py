"""One prediction of a whole source: what is predicted by which model, in which shards, and which of them are done.

The target holds a parquet file a shard, `_job.json` with the plan, for a source of files their listing, and at the end
`_summary.json`. A run that finds the plan there goes on with it, and refuses to mix in other models or settings.
"""

import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from reprise.bulk.listing import LISTING, row_files, write_listing
from reprise.bulk.shards import Shard, plan, read_shard
from reprise.bulk.storage import CONNECTIONS, Place
from reprise.core.errors import InputError
from reprise.core.files import fingerprint
from reprise.core.text import for_parquet

if TYPE_CHECKING:
    import pyarrow as pa

PLAN = "_job.json"
SUMMARY = "_summary.json"

Predict = Callable[[Shard, bytes], list[dict[str, Any]]]


class BulkTask(Protocol):
    """How a task predicts in bulk; instances can be pickled.

    Attributes:
        name: of the task.
        models: the file or folder that is loaded.
        shard_rows: of a shard, where nothing else is asked for.
        files_are_rows: whether a row is a file of a folder, not a line or a row of a file.
        extensions: of the files that a folder may hold.
        columns: that are read of parquet files.
        accelerator: auto, cpu, gpu or mps.
    """

    @property
    def name(self) -> str: ...
    @property
    def models(self) -> Path: ...
    @property
    def shard_rows(self) -> int: ...
    @property
    def files_are_rows(self) -> bool: ...
    @property
    def extensions(self) -> Sequence[str]: ...
    @property
    def columns(self) -> list[str]: ...
    @property
    def accelerator(self) -> str: ...
    def settings(self) -> dict[str, Any]:
        """What else decides the results, as JSON."""
        ...

    def schema(self) -> "pa.Schema":
        """Of the results; it has the columns id, classes, probabilities and error."""
        ...

    def open(self, source: Place) -> Predict:
        """Load the model, and return what makes a record of each row of a shard."""
        ...


@dataclasses.dataclass(frozen=True)
class Done:
    """A shard that is done: how many rows it has, and how many of them are errors."""

    rows: int
    errors: int


@dataclasses.dataclass(frozen=True)
class Job:
    """A planned prediction; it can be pickled.

    Attributes:
        task: what predicts.
        source: what the rows name or hold.
        target: folder of the results.
        models: hash of the models.
        shards: the plan.
    """

    task: BulkTask
    source: Place
    target: Place
    models: str
    shards: tuple[Shard, ...]

    def read(self, shard: Shard) -> bytes:
        """The rows of a shard as they lie in the source, or in the listing of its files."""
        return read_shard(self.target if self.task.files_are_rows else self.source, shard, self.task.columns)

    def open(self) -> Predict:
        """Load the model, on whichever machine this runs.

        Raises:
            InputError: model or source are not there, or it is another model than the one that the run began with.
        """
        predict = self.task.open(self.source)
        if fingerprint(self.task.models) != self.models:
            raise InputError(f"{self.task.models}: not the models that the run began with")
        return predict

    def finish(self, shard: Shard, records: list[dict[str, Any]]) -> Done:
        """Write a shard's results, whole or not at all."""
        done = Done(len(records), sum(record["error"] is not None for record in records))
        assert done.rows == shard.rows, f"{shard.name}: {done.rows} records"
        self.target.write(shard.name, to_parquet(records, self.task.schema(), done))
        return done

    def finished(self) -> dict[Shard, Done]:
        """The shards that are done, with what their files say of them."""
        there = self.target.names()
        shards = [shard for shard in self.shards if shard.name in there]
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            return dict(zip(shards, threads.map(self._look, shards), strict=True))

    def _look(self, shard: Shard) -> Done:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self.target.open(shard.name) as file:
            try:
                metadata = pq.read_metadata(file)
                return Done(metadata.num_rows, int((metadata.metadata or {})[b"errors"]))
            except (pa.ArrowInvalid, KeyError, ValueError):
                raise InputError(
                    f"{self.target.path(shard.name)}: not a whole shard of predictions; delete it, and run again"
                ) from None


def to_parquet(records: list[dict[str, Any]], schema: "pa.Schema", done: Done) -> bytes:
    """A parquet file of records, whose metadata counts the errors."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # A file's name may be no UTF-8; its id is, and so is an error or a warning that names it.
    texts = [
        {column: for_parquet(value) if isinstance(value, str) else value for column, value in record.items()}
        for record in records
    ]
    table = pa.Table.from_pylist(texts, schema.with_metadata({"errors": str(done.errors)}))
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()


def prepare(task: BulkTask, source: str, target: str, shard_rows: int | None) -> Job:
    """Plan a prediction, or take up the plan of an earlier run.

    Raises:
        InputError: no such source, or a target that holds something else.
    """
    where, to = Place(source), Place(target)
    models = fingerprint(task.models)
    rows = shard_rows or task.shard_rows
    settings = {"task": task.name, "source": where.address, "models": models, "shard_rows": rows, **task.settings()}
    if (names := to.names()) and PLAN in names:
        return Job(task, where, to, models, take_up(where, to, settings, task.files_are_rows))
    if others := sorted(name for name in names if not name.startswith(".") and name != LISTING):
        raise InputError(f"{to.address}: holds {others[0]!r}, and no run of this command; choose another folder")
    if task.files_are_rows:
        write_listing(where, task.extensions, to)
        versions, shards = {}, plan(to, [LISTING], rows, [])
    else:
        files = row_files(where, task.extensions)
        versions = {name: where.version(name) for name in files}
        shards = plan(where, files, rows, task.columns)
    planned = tuple(shards)
    if not planned:
        raise InputError(f"{where.address}: no rows")
    content = {"settings": settings, "versions": versions, "shards": [dataclasses.astuple(shard) for shard in planned]}
    to.write(PLAN, json.dumps(content).encode())
    return Job(task, where, to, models, planned)


def take_up(source: Place, target: Place, settings: dict[str, Any], files_are_rows: bool) -> tuple[Shard, ...]:
    """Read the plan of an earlier run.

    Raises:
        InputError: it is damaged, it was another source, model or setting, or a file of the source has changed.
    """
    try:
        with target.open(PLAN) as file:
            content = json.load(file)
        before, versions = dict(content["settings"]), dict(content["versions"])
        shards = tuple(Shard(*values) for values in content["shards"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{target.path(PLAN)}: damaged, or of another version; choose another folder") from None
    for name, value in settings.items():
        if before.get(name) != value:
            raise InputError(
                f"{target.address}: was begun with {name} {before.get(name)}, this is {value}; choose another folder"
            )
    for name, version in versions.items():
        if (now := source.version(name)) != version:
            raise InputError(f"{source.path(name)}: {now}; {version} when the run began; choose another folder")
    return shards
