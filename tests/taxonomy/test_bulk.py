"""Texts of any number: every kind of source, and the records of the plain command."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reprise.bulk.shards import plan, read_shard
from reprise.bulk.storage import Place
from reprise.taxonomy import predict
from reprise.taxonomy.bulk import BulkTexts
from reprise.taxonomy.data.hierarchy import Hierarchy
from tests.exported import call


@pytest.fixture
def texts(tmp_path):
    return BulkTexts(tmp_path, None, 2, False, "cpu", "review", "key")


def documents(texts, path, rows=2):
    place = Place(str(path))
    shards = list(plan(place, [""], rows, texts.columns))
    return [
        found for shard in shards for found in texts.documents(place, shard, read_shard(place, shard, texts.columns))
    ]


def test_lines_are_read_as_the_plain_command_reads_them(texts, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes(b"\xef\xbb\xbfa\ttea\nplain\n\nb\t \n\tx\nc\t\xff\nd\x00\ne\xcc\x81\tlast")
    found = documents(texts, path)
    assert [(document.id, document.text) for document in found] == [
        (document.id, document.text) for document in predict.read_documents(path)
    ]
    assert [document.error for document in found] == [
        error and error.replace(str(tmp_path) + "/", "")
        for error in (document.error for document in predict.read_documents(path))
    ]


def test_json_lines(texts, tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [
        '{"key": "a", "review": "tea"}',
        '{"key": 7, "review": "more tea", "stars": 5}',
        '{"key": null, "review": "no id"}',
        '{"review": "no key"}',
        '{"key": "b", "review": 5}',
        '{"key": "c", "review": " "}',
        '{"key": "d", "review": "\\ud83d"}',
        '["key"]',
        "{",
        "",
        "[" * 100_000,
    ]
    path.write_text("\n".join(lines))
    found = documents(texts, path)
    assert [(document.id, document.text) for document in found[:3]] == [("a", "tea"), ("7", "more tea"), ("3", "no id")]
    errors = [document.error or "" for document in found]
    assert errors[:3] == ["", "", ""]
    assert errors[3:8] == [
        "a.jsonl:4: no 'key' in it",
        "a.jsonl:5: 'review' is int; expected a text",
        "a.jsonl:6: no text",
        "a.jsonl:7: not Unicode text",
        "a.jsonl:8: expected a JSON object, with 'review'",
    ]
    assert [error.split(":")[2] for error in errors[8:]] == [" not JSON"] * 3


@pytest.mark.parametrize("encode", [False, True])
def test_a_parquet_row_that_is_not_utf_8_is_an_error_row(texts, tmp_path, encode):
    good, bad = (pa.array(column).view(pa.string()) for column in ([b"tea", b"milk", None], [b"a", b"caf\xe9", b"c"]))
    columns = {"key": bad, "review": good} if encode else {"key": good, "review": bad}
    columns = {name: column.dictionary_encode() if encode else column for name, column in columns.items()}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = documents(texts, tmp_path / "a.parquet", 3)
    assert found[1] == predict.Document("2", "", "a.parquet: row 2: not Unicode text")
    assert (found[0].text, found[0].error) == (("tea" if encode else "a"), None)


def test_parquet(texts, tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"key": [3, 4, 5], "stars": 1, "review": ["tea", None, "\u00e9"]}).to_parquet(path)
    found = documents(texts, path)
    assert [(document.id, document.text, document.error) for document in found] == [
        ("3", "tea", None),
        ("4", "", "a.parquet: row 2: 'review' is NoneType; expected a text"),
        ("5", "\u00e9", None),
    ]


def test_batches_are_of_like_length_and_records_in_order(texts, monkeypatch):
    monkeypatch.setattr("reprise.taxonomy.bulk.BLOCK", 2)
    hierarchy = Hierarchy(("0", "1", "2"), ("all", "short", "long"), ((),) * 3, ((0, 1), (0, 2)))
    seen = []

    def classify(batch):
        seen.append([len(text) for text in batch])
        long = np.array([len(text) > 3 for text in batch])
        probabilities = np.stack([np.ones(len(batch)), np.where(long, 0.25, 0.75), np.where(long, 0.75, 0.25)], 1)
        return probabilities.astype(np.float32), probabilities > 0.5

    written = ["a", "bcd  e\n", "e\u0301", "", "abcdefg", "abcd"]
    given = [predict.Document(f"d{number}", text, None if text else "no text") for number, text in enumerate(written)]
    records = texts.predict(predict.Classifier(hierarchy, classify), given)
    assert seen == [[7, 5], [4, 1], [1]]
    assert [record["id"] for record in records] == [f"d{number}" for number in range(6)]
    assert [record.get("names") for record in records] == [
        ["all", "short"], ["all", "long"], ["all", "short"], None, ["all", "long"], ["all", "long"]
    ]  # fmt: skip
    assert records[1]["classes"] == ["0", "2"]
    assert records[1]["probabilities"] == [1.0, 0.75]
    assert records[1]["top"] == ["2", "1"]
    assert records[3] == {"id": "d3", "error": "no text"}


def test_the_command_gives_what_it_prints_without_a_folder(in_finished, tmp_path):
    lines = [f"d{number}\tthe ball head {'slips ' * (number % 7)}" for number in range(40)]
    path = tmp_path / "texts.txt"
    path.write_text("\n".join([*lines, "bad\t"]) + "\n")
    code, printed, _ = call(predict.main, "--file", path, "--top-k", 3, "--accelerator", "cpu")
    assert code == 1
    arguments = (path, "--to", tmp_path / "out", "--shard-rows", 16, "--top-k", 3, "--accelerator", "cpu")
    code, summary, _ = call(predict.main, *arguments)
    assert code == 1
    assert json.loads(summary) == {"rows": 41, "errors": 1, "shards": 3, "shards_done_before": 0}
    table = pd.read_parquet(tmp_path / "out")
    rows: list[Any] = list(table.itertuples())
    for record, row in zip(map(json.loads, printed.splitlines()), rows, strict=True):
        assert row.id == record["id"]
        if "error" in record:
            assert row.error == record["error"].replace(f"{tmp_path}/", "")
            continue
        described = dict(
            pair for found in record["classes"] for pair in zip(found["ids"], found["probabilities"], strict=True)
        )
        assert set(row.classes) == set(described)
        assert dict(zip(row.classes, row.probabilities, strict=True)) == pytest.approx(described, abs=1e-4)
        assert list(row.top_probabilities) == pytest.approx([top["probability"] for top in record["top"]], abs=1e-4)
    assert call(predict.main, *arguments)[1].count('"shards_done_before": 3') == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.txt"], "a SOURCE goes with --to; give a text by --text, a file of texts by --file"),
        (["--to", "out"], "--to takes a SOURCE, and neither --text nor --file"),
        (["a.txt", "--to", "out", "--text", "x"], "--to takes a SOURCE, and neither --text nor --file"),
        (["--text", "x", "--engine", "ray"], "--engine goes with --to, which names the folder of the results"),
        (["--text", "x", "--workers", "2"], "--workers goes with --to, which names the folder of the results"),
        (["none.txt", "--to", "out"], "none.txt: no such file or folder"),
        (["models", "--to", "out"], "expected files that end in .txt, .tsv, .jsonl, .ndjson, .parquet, .pq"),
        (["own.parquet", "--to", "out"], "no column 'text'; it has words"),
        (["a.txt", "--to", "out", "--models", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_one_line_says_what_is_wrong(in_finished, arguments, message):
    pd.DataFrame({"words": ["x"]}).to_parquet("own.parquet")
    code, output, errors = call(predict.main, *arguments)
    assert (code, output) == (1, "")
    assert message in errors
    assert errors.count("\n") == 1
