"""Folders of recordings of any number: the records of the plain command, from a disk and from an object store."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from reprise.bulk import storage
from reprise.deepfake import predict
from reprise.deepfake.data.audio import RATE
from tests.deepfake.helpers import call, encode, speech, tiny_recipe, write_models


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """A folder of two recordings, a damaged one and one that is none; models/ beside it."""
    monkeypatch.chdir(tmp_path)
    write_models(tiny_recipe())
    Path("calls/late").mkdir(parents=True)
    soundfile.write("calls/a.wav", speech(1.0, 1), RATE)
    soundfile.write("calls/late/b.flac", speech(0.7, 2), RATE)
    content = encode("flac", speech(2, 0))
    Path("calls/cut.flac").write_bytes(content[: len(content) // 2])
    Path("calls/text.wav").write_text("hello " * 50)
    return tmp_path


def test_the_records_are_those_of_the_plain_command(calls, monkeypatch):
    paths = ["calls/a.wav", "calls/cut.flac", "calls/text.wav", "calls/late/b.flac"]
    _, printed, _ = call(predict.main, *paths, "--accelerator", "cpu")
    records = [json.loads(line) for line in printed.splitlines()]
    code, summary, _ = call(predict.main, "calls", "--to", "out", "--shard-rows", 3, "--accelerator", "cpu")
    assert (code, json.loads(summary)) == (1, {"rows": 4, "errors": 2, "shards": 2, "shards_done_before": 0})
    table = pd.read_parquet("out")
    assert table["id"].tolist() == [path.removeprefix("calls/") for path in paths]
    for row, record in zip(table.to_dict("records"), records, strict=True):
        if "error" in record:
            assert row["error"] == record["error"].replace("calls/", "")
            continue
        assert {key: row[key] for key in ("decision", "score", "seconds")} == {
            key: record[key] for key in ("decision", "score", "seconds")
        }
        found = dict(zip(row["classes"], row["probabilities"], strict=True))
        assert found["spoof"] == record["spoof_probability"]
        assert sum(found.values()) == pytest.approx(1)
        assert list(row["top_moments"]) == record["top_moments"]
    import fsspec

    monkeypatch.setattr(storage, "PROTOCOLS", ("memory",))
    fsspec.filesystem("memory").put(os.path.abspath("calls"), "/calls", recursive=True)  # noqa: PTH100
    call(predict.main, "memory://calls", "--to", "stored", "--accelerator", "cpu")
    pd.testing.assert_frame_equal(pd.read_parquet("stored"), table)


def test_recordings_whose_names_are_not_utf8_are_judged(calls):
    Path("calls/a.wav").rename(os.fsdecode(b"calls/\xe9.wav"))
    Path("calls/text.wav").rename(os.fsdecode(b"calls/\xe9\xe9.wav"))
    code, _, errors = call(predict.main, "calls", "--to", "out", "--accelerator", "cpu")
    assert (code, errors) == (1, "")
    table = pd.read_parquet("out").set_index("id")
    assert sorted(table.index) == [r"\udce9.wav", r"\udce9\udce9.wav", "cut.flac", "late/b.flac"]
    assert table["decision"][r"\udce9.wav"] in ("bonafide", "spoof")
    assert table["error"][r"\udce9\udce9.wav"].startswith(r"\udce9\udce9.wav: ")


def test_damaged_recordings_are_judged_where_a_flag_says_so(calls):
    call(predict.main, "calls", "--to", "out", "--accelerator", "cpu", "--take-damaged")
    table = pd.read_parquet("out").set_index("id")
    assert str(table.loc["cut.flac", "damage"]).endswith("s can be read of 2.00 s promised")
    code, _, errors = call(predict.main, "calls", "--to", "out", "--accelerator", "cpu")
    assert code == 1
    assert "out: was begun with take_damaged True, this is False; choose another folder" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calls", "--to", "out", "--plot", "p"], "--importance and --plot do not go with --to"),
        (["calls/a.wav", "--to", "out"], "a.wav: no such folder; expected one with .flac, .wav"),
        (["calls/a.wav", "--shard-rows", "4"], "--shard-rows goes with --to, which names the folder of the results"),
        (["none", "--to", "out"], "none: no such folder; expected one with .flac, .wav"),
    ],
)
def test_one_line_says_what_is_wrong(calls, arguments, message):
    code, output, errors = call(predict.main, *arguments, "--accelerator", "cpu")
    assert (code, output) == (1, "")
    assert message in errors
    assert errors.count("\n") == 1
