"""Cutting sources into shards, against reading them whole."""

import itertools
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.bulk import shards
from reprise.bulk.shards import Shard, lines_of, plan, read_shard, table_of
from reprise.bulk.storage import Place
from reprise.core.errors import InputError


@pytest.fixture
def small(monkeypatch):
    """Few bytes a shard and a block, so that little content meets every limit."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 20)
    monkeypatch.setattr(shards, "LONGEST_ROW", 40)
    monkeypatch.setattr(shards, "READ_BYTES", 7)


def check_cover(found: list[Shard]) -> None:
    """Every row is in one shard, in order."""
    assert all(shard.rows for shard in found)
    assert [shard.first for shard in found] == [0, *itertools.accumulate(shard.rows for shard in found)][:-1]


@given(
    content=st.text(alphabet="ab\té\n\r", max_size=60).map(str.encode) | st.binary(max_size=60),
    rows=st.integers(1, 5),
)
def test_shards_hold_the_lines_of_the_file(tmp_path_factory, content, rows):
    path = tmp_path_factory.getbasetemp() / "lines.txt"
    path.write_bytes(content)
    place, patch = Place(str(path)), pytest.MonkeyPatch()
    with patch.context() as small:
        small.setattr(shards, "SHARD_BYTES", 20)
        small.setattr(shards, "LONGEST_ROW", 1000)
        small.setattr(shards, "READ_BYTES", 7)
        if b"\r" in content and b"\n" not in content:
            return  # refused; see below
        found = list(plan(place, [""], rows, []))
        lines = [line for shard in found for line in lines_of(shard, read_shard(place, shard, []))]
    check_cover(found)
    whole = content.split(b"\n")
    expected = whole if whole[-1] else whole[:-1]
    if expected:
        expected[0] = expected[0].removeprefix(b"\xef\xbb\xbf")
    assert lines == [line.removesuffix(b"\r") for line in expected]
    assert all(shard.rows <= rows for shard in found)
    assert all(shard.rows == 1 or shard.stop - shard.start <= 20 for shard in found)


def test_a_line_that_is_too_long_is_not_read(tmp_path, small):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"a\n" + b"x" * 41 + b"\nb\n")
    place = Place(str(path))
    found = list(plan(place, [""], 10, []))
    assert [lines_of(shard, read_shard(place, shard, [])) for shard in found] == [[b"a"], [None], [b"b"]]
    assert [shard.line for shard in found] == [0, 1, 2]


def test_other_line_ends_are_refused(tmp_path):
    (tmp_path / "old.txt").write_bytes(b"a\rb\r")
    with pytest.raises(InputError, match=r"old.txt: its lines end in CR alone; expected LF or CR LF"):
        list(plan(Place(str(tmp_path / "old.txt")), [""], 10, []))


def test_rows_of_several_files_are_numbered_through(tmp_path):
    (tmp_path / "a.txt").write_text("1\n2\n3\n")
    (tmp_path / "b.txt").write_text("4\n5")
    pd.DataFrame({"text": ["6", None, "8"]}).to_parquet(tmp_path / "c.parquet")
    found = list(plan(Place(str(tmp_path)), ["a.txt", "b.txt", "c.parquet"], 2, ["text"]))
    check_cover(found)
    assert [(shard.file, shard.rows, shard.line) for shard in found] == [
        ("a.txt", 2, 0), ("a.txt", 1, 2), ("b.txt", 2, 0), ("c.parquet", 2, 0), ("c.parquet", 1, 2)
    ]  # fmt: skip
    assert found[-1].name == "rows-000000000008-000000000008.parquet"


@pytest.mark.parametrize("row_group", [3, 10, 100])
def test_shards_hold_the_rows_of_a_parquet_file(tmp_path, monkeypatch, row_group):
    monkeypatch.setattr(shards, "BATCH_ROWS", 4)
    table = pa.table({"other": np.arange(50), "text": [f"text {number}" for number in range(50)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=row_group)
    place = Place(str(tmp_path / "a.parquet"))
    found = list(plan(place, [""], 8, ["text"]))
    check_cover(found)
    tables = [table_of(read_shard(place, shard, ["text"])) for shard in found]
    assert [len(part) for part in tables] == [shard.rows for shard in found]
    assert pa.concat_tables(tables).equals(table.select(["text"]))


def test_long_rows_of_parquet_make_short_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 10_000)
    texts = ["".join(np.random.default_rng(number).choice(list("abcdef"), 1000)) for number in range(40)]
    pd.DataFrame({"text": texts}).to_parquet(tmp_path / "a.parquet")
    found = list(plan(Place(str(tmp_path / "a.parquet")), [""], 1000, ["text"]))
    check_cover(found)
    assert sum(shard.rows for shard in found) == 40
    assert max(shard.rows for shard in found) <= 10


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "a.parquet: no such file"), (b"no", "a.parquet: not a whole parquet file"), ("x", "no column 'text'; it")],
)
def test_a_parquet_file_that_does_not_fit_is_refused(tmp_path, content, message):
    path = tmp_path / "a.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        pd.DataFrame({content: [1]}).to_parquet(path)
    with pytest.raises(InputError, match=re.escape(message)):
        list(plan(Place(str(path)), [""], 10, ["text"]))


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), path)
    with pytest.raises(InputError, match="several columns 'text'; it has text, text"):
        list(plan(Place(str(path)), [""], 10, ["text"]))


def test_a_source_that_shrinks_is_noticed(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("a\nb\nc\n")
    (shard,) = plan(Place(str(path)), [""], 10, [])
    path.write_text("a\n")
    with pytest.raises(InputError, match=r"lines.txt: shorter than when the run began"):
        read_shard(Place(str(path)), shard, [])
