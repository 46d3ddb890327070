"""A source cut into shards: ranges of rows that are read, predicted and written one by one.

A row is a line of a text file, a row of a parquet file, or a file of a folder, whose name is a line of a listing. A
shard has at most `rows` rows and SHARD_BYTES bytes, so that memory does not grow with the source.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from reprise.bulk.storage import Place
from reprise.core.errors import InputError

SHARD_BYTES = 16 * 2**20
LONGEST_ROW = 64 * 2**20  # bytes; a longer line is an error row, and is not read
READ_BYTES = 4 * 2**20  # at once, to look for line ends
BATCH_ROWS = 4096  # of a parquet file, decoded at once
PARQUET = (".parquet", ".pq")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclasses.dataclass(frozen=True)
class Shard:
    """A range of one file.

    Attributes:
        file: its name in the source; empty where the source is one file.
        start, stop: bytes of a file of lines; rows of a parquet file.
        first: number of the first row in the whole source, from 0.
        rows: how many.
        line: number of the first row in its file, from 0.
    """

    file: str
    start: int
    stop: int
    first: int
    rows: int
    line: int

    @property
    def name(self) -> str:
        """Of its results: the first and the last row, counted from 1."""
        return f"rows-{self.first + 1:012d}-{self.first + self.rows:012d}.parquet"


def plan(source: Place, files: list[str], rows: int, columns: list[str]) -> Iterator[Shard]:
    """Cut files into shards, each of one file.

    Args:
        source: where they lie.
        files: their names.
        rows: of a shard, at most.
        columns: of parquet files that will be read.

    Raises:
        InputError: a file is missing or of another kind.
    """
    first = 0
    for file in files:
        whole = source.path(file)
        shards = (
            parquet_shards(source, file, rows, columns)
            if whole.lower().endswith(PARQUET)
            else line_shards(source, file, rows)
        )
        for shard in shards:
            yield dataclasses.replace(shard, first=first)
            first += shard.rows


def line_shards(source: Place, file: str, rows: int) -> Iterator[Shard]:
    """Cut a file at line ends; it is read once, block by block."""
    line, start = 0, 0
    for stop, count in cut_lines(line_ends(source, file), rows):
        yield Shard(file, start, stop, 0, count, line)
        line, start = line + count, stop


def line_ends(source: Place, file: str) -> Iterator[np.ndarray]:
    r"""Find where the lines of a file end, behind each `\n` and at its end: arrays of offsets (N,), in order.

    Raises:
        InputError: the file is missing, or its lines end in CR alone.
    """
    offset, last, returns = 0, 0, False
    with source.open(file) as content:
        while block := content.read(READ_BYTES):
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + (offset + 1)
            returns = returns or (not last and b"\r" in block)
            offset += len(block)
            if len(ends):
                last = int(ends[-1])
                yield ends
    if returns and not last:
        raise InputError(f"{source.path(file)}: its lines end in CR alone; expected LF or CR LF")
    if last < offset:
        yield np.array([offset])


def cut_lines(ends: Iterator[np.ndarray], rows: int) -> Iterator[tuple[int, int]]:
    """Take as many lines into a shard as it may have rows and bytes, and one at least.

    Yields:
        Where a shard ends, and its number of lines.
    """
    start, waiting = 0, np.zeros(0, np.int64)
    for more in ends:
        waiting = np.concatenate([waiting, more])
        while len(waiting) and (len(waiting) >= rows or waiting[-1] - start > SHARD_BYTES):
            fitting = int(np.searchsorted(waiting, start + SHARD_BYTES, side="right"))
            count = min(max(fitting, 1), rows, len(waiting))
            start = int(waiting[count - 1])
            yield start, count
            waiting = waiting[count:]
    if len(waiting):
        yield int(waiting[-1]), len(waiting)


def parquet_shards(source: Place, file: str, rows: int, columns: list[str]) -> Iterator[Shard]:
    """Cut a parquet file, each row group by itself: where a group's rows are long, into fewer rows.

    Raises:
        InputError: not a parquet file, or a column is missing or there several times.
    """
    with _parquet(source, file) as content:
        names = content.schema_arrow.names
        if wrong := [name for name in columns if names.count(name) != 1]:
            found = "several columns" if wrong[0] in names else "no column"
            raise InputError(f"{source.path(file)}: {found} {wrong[0]!r}; it has {', '.join(names)}")
        start = 0
        for number in range(content.metadata.num_row_groups):
            group = content.metadata.row_group(number)
            bytes_per_row = max(1, _column_bytes(group, columns) // max(1, group.num_rows))
            step = min(rows, max(1, SHARD_BYTES // bytes_per_row))
            for offset in range(0, group.num_rows, step):
                count = min(step, group.num_rows - offset)
                yield Shard(file, start + offset, start + offset + count, 0, count, start + offset)
            start += group.num_rows


def _column_bytes(group: Any, columns: list[str]) -> int:
    """Bytes of some columns of a row group, decompressed."""
    chunks = (group.column(index) for index in range(group.num_columns))
    return sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.partition(".")[0] in columns)


@contextlib.contextmanager
def _parquet(source: Place, file: str) -> Iterator[Any]:
    """Open a parquet file.

    Raises:
        InputError: it is damaged, here or while it is read in the block.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with source.open(file) as content:
        try:
            yield pq.ParquetFile(content)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{source.path(file)}: not a whole parquet file: {error}") from None


def read_shard(source: Place, shard: Shard, columns: list[str]) -> bytes:
    """Read a shard: bytes of lines as they are, or an Arrow stream of a parquet file's columns.

    A line that is longer than LONGEST_ROW gives nothing.
    """
    if not source.path(shard.file).lower().endswith(PARQUET):
        return b"" if shard.stop - shard.start > LONGEST_ROW else source.read(shard.file, shard.start, shard.stop)
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with _parquet(source, shard.file) as content:
        schema = pa.schema([content.schema_arrow.field(name) for name in columns])
        with pa.ipc.new_stream(sink, schema) as stream:
            for batch in _slices(content, shard, columns):
                stream.write_batch(batch.select(columns))
    return bytes(sink.getvalue())


def _slices(content: Any, shard: Shard, columns: list[str]) -> Iterator[Any]:
    """The record batches of rows start ... stop, in a file whose shards lie in one row group each."""
    row = 0
    for number in range(content.metadata.num_row_groups):
        count = content.metadata.row_group(number).num_rows
        if row + count <= shard.start:
            row += count
            continue
        for batch in content.iter_batches(BATCH_ROWS, row_groups=[number], columns=columns):
            low, high = max(shard.start - row, 0), min(shard.stop - row, len(batch))
            if low < high:
                yield batch.slice(low, high - low)
            row += len(batch)
            if row >= shard.stop:
                return


def lines_of(shard: Shard, content: bytes) -> list[bytes | None]:
    """The lines of a shard without their ends; None for one that was too long to be read."""
    if not content:
        return [None] * shard.rows
    lines = content.removeprefix(BYTE_ORDER_MARK if shard.start == 0 else b"").split(b"\n")
    return [line.removesuffix(b"\r") for line in lines[: shard.rows]]


def table_of(content: bytes) -> Any:
    """The columns of a shard of a parquet file, as a pyarrow Table."""
    import pyarrow as pa

    return pa.ipc.open_stream(content).read_all()
