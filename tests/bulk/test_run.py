"""Whole runs in one process: results, broken rows, going on, and what is refused."""

import json
import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from reprise.bulk import storage
from reprise.bulk.job import Job, prepare
from reprise.bulk.run import predict_source, run
from reprise.core.errors import InputError
from tests.bulk.toy import ToyFiles, ToyTexts
from tests.exported import call


@pytest.fixture
def task(tmp_path):
    (tmp_path / "model").write_text("weights")
    return ToyTexts(tmp_path / "model")


@pytest.fixture
def texts(tmp_path):
    """Thirty lines, one of them an error."""
    lines = ["x" * number for number in range(1, 31)]
    lines[12] = "bad"
    (tmp_path / "texts.txt").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "texts.txt")


def expected(task, lines):
    return [task.record(line) for line in lines]


def read(folder) -> list[dict]:
    """The records of a folder of shards."""
    table = pd.read_parquet(folder, dtype_backend="pyarrow").astype(object)
    return table.where(table.notna(), None).to_dict("records")


def plain(records):
    """Records without what is null, lists as lists."""
    return [
        {key: value if isinstance(value, str) else list(value) for key, value in row.items() if value is not None}
        for row in records
    ]


def test_each_row_has_its_record_in_order(task, texts, tmp_path):
    summary = run(prepare(task, texts, str(tmp_path / "out"), None))
    assert summary == {"rows": 30, "errors": 1, "shards": 5, "shards_done_before": 0}
    lines = open(texts).read().split()  # noqa: SIM115, PTH123
    assert plain(read(tmp_path / "out")) == plain(expected(task, lines))
    assert json.loads((tmp_path / "out/_summary.json").read_text()) == summary
    names = sorted(name for name in os.listdir(tmp_path / "out") if not name.startswith("_"))  # noqa: PTH208
    assert names[0] == "rows-000000000001-000000000007.parquet"
    assert names[-1] == "rows-000000000029-000000000030.parquet"


def test_a_run_goes_on_where_shards_are_missing(task, texts, tmp_path):
    run(prepare(task, texts, str(tmp_path / "out"), None))
    before = read(tmp_path / "out")
    missing = tmp_path / "out/rows-000000000008-000000000014.parquet"
    missing.unlink()
    for path in (tmp_path / "out").glob("rows-*"):
        os.utime(path, (1, 1))
    summary = run(prepare(task, texts, str(tmp_path / "out"), None))
    assert summary == {"rows": 30, "errors": 1, "shards": 5, "shards_done_before": 4}
    assert {path.name for path in (tmp_path / "out").glob("rows-*") if path.stat().st_mtime > 1} == {missing.name}
    assert plain(read(tmp_path / "out")) == plain(before)


def test_parquet_and_lines_give_the_same(task, texts, tmp_path):
    lines = open(texts).read().split()  # noqa: SIM115, PTH123
    (tmp_path / "folder").mkdir()
    pd.DataFrame({"text": lines[:11]}).to_parquet(tmp_path / "folder/a.parquet")
    pd.DataFrame({"text": lines[11:]}).to_parquet(tmp_path / "folder/b.parquet")
    (tmp_path / "folder/_SUCCESS").touch()
    run(prepare(task, str(tmp_path / "folder"), str(tmp_path / "out"), None))
    run(prepare(task, texts, str(tmp_path / "other"), 4))
    assert plain(read(tmp_path / "out")) == plain(read(tmp_path / "other"))


def test_an_object_store_is_a_source_and_a_target(task, texts, tmp_path, monkeypatch):
    import fsspec

    monkeypatch.setattr(storage, "PROTOCOLS", ("memory",))
    store = fsspec.filesystem("memory")
    store.put(texts, "/bucket/in/texts.txt")
    for address in ("memory://bucket/in/texts.txt", "memory://bucket/in"):
        target = f"memory://bucket/{len(address)}"
        assert run(prepare(task, address, target, None))["rows"] == 30
        assert run(prepare(task, address, target, None))["shards_done_before"] == 5
        store.get(target, str(tmp_path / str(len(address))), recursive=True)
    run(prepare(task, texts, str(tmp_path / "here"), None))
    for path in (tmp_path / "here").glob("rows-*"):
        for folder in tmp_path.glob("[0-9]*"):
            assert (folder / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("remote", [False, True])
def test_files_of_a_folder_are_rows(task, tmp_path, monkeypatch, remote):
    monkeypatch.setattr(storage, "PROTOCOLS", ("memory",))
    source = tmp_path / "files"
    (source / "b").mkdir(parents=True)
    names = ["1.txt", "2.TXT", "line\nend.txt", "ä.txt", "b/0.txt"]
    for number, name in enumerate(names):
        (source / name).write_text("x" * number or "bad")
    (source / "note.md").touch()
    address = str(source)
    if remote:
        import fsspec

        fsspec.filesystem("memory").put(str(source), "/files", recursive=True)
        address = "memory://files"
    job = prepare(ToyFiles(task.models), address, str(tmp_path / "out"), 2)
    (source / "added.txt").write_text("later")
    (source / "1.txt").unlink()
    assert run(job) == {"rows": 5, "errors": 1, "shards": 3, "shards_done_before": 0}
    records = read(tmp_path / "out")
    assert [record["id"] for record in records] == names
    assert records[0]["error"] == ("bad" if remote else "1.txt: no such file")
    assert run(prepare(ToyFiles(task.models), address, str(tmp_path / "out"), 2))["shards_done_before"] == 3


def test_a_file_whose_name_is_not_utf8_has_its_row(task, tmp_path):
    source = tmp_path / "files"
    source.mkdir()
    for name, text in ((b"a.txt", "x"), (b"\xff1.txt", "xx"), (b"\xff2.txt", "bad")):
        (source / os.fsdecode(name)).write_text(text)
    (source / os.fsdecode(b"\xff3.txt")).symlink_to("nowhere")
    summary = run(prepare(ToyFiles(task.models), str(source), str(tmp_path / "out"), None))
    assert summary == {"rows": 4, "errors": 2, "shards": 1, "shards_done_before": 0}
    records = read(tmp_path / "out")
    assert [record["id"] for record in records] == ["a.txt", r"\udcff1.txt", r"\udcff2.txt", r"\udcff3.txt"]
    assert [record["error"] for record in records] == [None, None, "bad", r"\udcff3.txt: no such file"]
    assert records[1]["classes"] == ["even"]


def test_a_failure_leaves_the_shards_before_it(task, tmp_path):
    (tmp_path / "texts.txt").write_text("a\n" * 8 + "none\n")
    with pytest.raises(InputError, match="the model gives no number"):
        run(prepare(task, str(tmp_path / "texts.txt"), str(tmp_path / "out"), None))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"_job.json", "rows-000000000001-000000000007.parquet"}


@pytest.mark.parametrize("content", ["", "garbage", "[]", "{}", '{"settings": 1, "versions": {}, "shards": []}'])
def test_a_damaged_plan_is_one_line(task, texts, tmp_path, content):
    run(prepare(task, texts, str(tmp_path / "out"), None))
    (tmp_path / "out/_job.json").write_text(content)
    with pytest.raises(InputError, match=r"_job\.json: damaged, or of another version; choose another folder"):
        prepare(task, texts, str(tmp_path / "out"), None)


def test_another_model_source_or_setting_does_not_go_on(task, texts, tmp_path):
    out, before = str(tmp_path / "out"), Path(texts).read_text()
    run(prepare(task, texts, out, None))
    with pytest.raises(InputError, match="out: was begun with shard_rows 7, this is 3; choose another folder"):
        prepare(task, texts, out, 3)
    with open(texts, "a") as file:  # noqa: PTH123
        file.write("more\n")
    changed = r"texts.txt: \d+ bytes, \S+; \d+ bytes, \S+ when the run began; choose another folder"
    with pytest.raises(InputError, match=changed):
        prepare(task, texts, out, None)
    Path(texts).write_text("b" + before[1:])
    with pytest.raises(InputError, match=changed):  # as long as it was
        prepare(task, texts, out, None)
    task.models.write_text("other weights")
    with pytest.raises(InputError, match="was begun with models "):
        prepare(task, texts, out, None)
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday/picture.jpg").touch()
    with pytest.raises(InputError, match=r"holiday: holds 'picture.jpg', and no run of this command"):
        prepare(task, texts, str(tmp_path / "holiday"), None)


def test_a_worker_with_other_models_is_refused(task, texts, tmp_path):
    job = prepare(task, texts, str(tmp_path / "out"), None)
    task.models.write_text("other weights")
    with pytest.raises(InputError, match="model: not the models that the run began with"):
        run(job)


def test_a_shard_that_is_no_shard_is_named(task, texts, tmp_path):
    run(prepare(task, texts, str(tmp_path / "out"), None))
    (tmp_path / "out/rows-000000000001-000000000007.parquet").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"000007.parquet: not a whole shard of predictions; delete it, and run again"):
        run(prepare(task, texts, str(tmp_path / "out"), None))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.txt", "none.txt: no such file or folder"),
        ("empty", "empty: no file in it; expected .txt, .parquet"),
        ("mixed", "mixed/a.csv: expected files that end in .txt, .parquet"),
        ("blank.txt", "blank.txt: no rows"),
        ("a.txt.gz", "a.txt.gz: compressed"),
        ("ftp://x/y", "expected a path, or an address that starts with s3://"),
    ],
)
def test_sources_that_are_none(task, tmp_path, source, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/a.csv").touch()
    (tmp_path / "blank.txt").touch()
    (tmp_path / "a.txt.gz").touch()
    address = source if ":" in source else str(tmp_path / source)
    with pytest.raises(InputError, match=message):
        prepare(task, address, str(tmp_path / "out"), None)
    assert not (tmp_path / "out").exists()


def test_the_command_prints_a_summary_and_tells_of_errors(task, texts, tmp_path):
    def main(engine: str | None = None, workers: int | None = None) -> None:
        predict_source(task, texts, str(tmp_path / "out"), engine, workers, None)

    code, output, errors = call(main)
    assert (code, errors) == (1, "")
    assert json.loads(output)["errors"] == 1
    assert call(main, "--engine", "spark")[2] == "no engine 'spark'; the choice is ray, or none for one process\n"
    assert call(main, "--workers", "2")[2] == "--workers goes with --engine ray\n"


def test_without_ray_the_line_says_how_to_get_it(task, texts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "reprise.bulk.on_ray", raising=False)
    with pytest.raises(InputError, match="--engine ray needs Ray: run `make ray-env`"):
        run(prepare(task, texts, str(tmp_path / "out"), None), "ray")


def test_the_plan_of_many_rows_is_small(task, tmp_path):
    """Nothing of a source's rows stays in memory: a hundred thousand of them are a plan of ten shards."""
    import tracemalloc

    with (tmp_path / "many.txt").open("w") as file:
        file.writelines(f"line {number}\n" for number in range(100_000))
    tracemalloc.start()
    job: Job = prepare(task, str(tmp_path / "many.txt"), str(tmp_path / "out"), 10_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(job.shards) == 10
    assert peak < 16e6
