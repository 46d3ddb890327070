"""Folders of pages of any number: the records of the plain command, from a disk and from an object store."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from reprise.bulk import storage
from reprise.documents import predict
from tests.documents.helpers import KINDS, draw_page
from tests.exported import call


@pytest.fixture
def scans(tmp_path):
    """Three pages, one of them in a folder, and a file that is none."""
    folder = tmp_path / "scans"
    (folder / "more").mkdir(parents=True)
    for number, kind in enumerate(KINDS):
        draw_page(kind, 70 + number).save(folder / ("more" if number == 2 else "") / f"{number}.png")
    (folder / "broken.jpg").write_text("not a picture")
    (folder / "notes.txt").touch()
    return folder


def test_the_records_are_those_of_the_plain_command(in_finished, scans, tmp_path, monkeypatch):
    code, printed, _ = call(predict.main, scans, "--accelerator", "cpu")
    assert code == 1
    records = {record["path"].removeprefix(f"{scans}/"): record for record in map(json.loads, printed.splitlines())}
    arguments = ("--accelerator", "cpu", "--shard-rows", 3, "--to")
    code, summary, _ = call(predict.main, scans, *arguments, tmp_path / "out")
    assert (code, json.loads(summary)["errors"]) == (1, 1)
    table = pd.read_parquet(tmp_path / "out")
    assert table["id"].tolist() == ["0.png", "1.png", "broken.jpg", "more/2.png"]
    for row in table.to_dict("records"):
        record = records[row["id"]]
        if "error" in record:
            assert row["error"] == record["error"].replace(f"{scans}/", "")
            continue
        assert (row["target"], row["class_name"]) == (str(record["target"]), record["class_name"])
        found = dict(zip(row["classes"], row["probabilities"], strict=True))
        assert found == pytest.approx(record["probabilities"], abs=1.1e-6)  # both are rounded to six decimals
        assert list(row["probabilities"]) == sorted(row["probabilities"], reverse=True)
    import fsspec

    monkeypatch.setattr(storage, "PROTOCOLS", ("memory",))
    fsspec.filesystem("memory").put(str(scans), "/scans", recursive=True)
    call(predict.main, "memory://scans", *arguments, tmp_path / "stored")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "stored"), table)


def test_pages_whose_names_are_not_utf8_are_predicted(in_finished, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    draw_page(KINDS[0], 70).save(os.fsdecode(bytes(scans) + b"/caf\xe9.png"))
    Path(os.fsdecode(bytes(scans) + b"/\xe9.png")).write_text("not a picture")
    code, _, errors = call(predict.main, scans, "--accelerator", "cpu", "--to", tmp_path / "out")
    assert (code, errors) == (1, "")
    page, broken = pd.read_parquet(tmp_path / "out").to_dict("records")
    assert (page["id"], broken["id"]) == (r"caf\udce9.png", r"\udce9.png")
    assert isinstance(page["class_name"], str)
    assert broken["error"].startswith(r"\udce9.png: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["own/test", "own/train", "--to", "out"], "--to takes one folder to predict, not 2"),
        (["own/test/page0.png", "--to", "out"], "page0.png: no such folder; expected one with .jpg, .jpeg"),
        (["own/test", "--to", "out", "--ask", "a.csv"], "--ask and --sheet do not go with --to"),
        (["own/test", "--engine", "ray"], "--engine goes with --to, which names the folder of the results"),
        (["own/test", "--to", "out", "--folds", "7"], "no fold '7'; the models have 0, 1"),
    ],
)
def test_one_line_says_what_is_wrong(in_finished, arguments, message):
    code, output, errors = call(predict.main, *arguments, "--accelerator", "cpu")
    assert (code, output) == (1, "")
    assert message in errors
    assert errors.count("\n") == 1
