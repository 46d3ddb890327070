import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.core.params import load_params
from reprise.documents.data.layouts import Files
from reprise.documents.data.listing import list_train
from reprise.documents.least_sure import COLUMNS, LeastSure
from tests.conftest import ROOT
from tests.documents.helpers import KINDS, draw_page, write_folder

MINE = Path("data/documents/mine")


def record(number, first):
    rest = (1 - first) / 2
    return {"path": f"scans/p{number}.jpg", "probabilities": {"form": rest, "letter": first, "=memo": rest}}


@given(st.lists(st.floats(0.34, 1), max_size=30), st.integers(1, 8))
def test_the_pages_with_the_least_margin_come_first(probabilities, count):
    kept = LeastSure(count)
    for number, probability in enumerate(probabilities):
        kept.add(record(number, probability))
    rows = list(csv.DictReader(io.StringIO(kept.csv_text())))
    expected = sorted(range(len(probabilities)), key=lambda number: (margin(probabilities[number]), number))[:count]
    assert [row["ID"] for row in rows] == [f"p{number}.jpg" for number in expected]


def margin(first):
    return first - (1 - first) / 2


def test_a_row_says_what_a_person_needs_and_errors_are_left_out():
    kept = LeastSure(3)
    kept.add({"path": "broken.jpg", "error": "no image"})
    kept.add({"path": "in/a.jpg", "probabilities": {"letter": 0.25, "=memo": 0.6, "form": 0.15}})
    header, row = csv.reader(io.StringIO(kept.csv_text()))
    assert tuple(header) == COLUMNS
    assert row == ["a.jpg", "", "in/a.jpg", "'=memo", "0.6000", "letter", "0.2500"]


def append_as_the_docs_say() -> None:
    (command,) = re.findall(r"`(tail [^`]*next\.csv[^`]*)`", (ROOT / "docs/documents.md").read_text())
    subprocess.run(command, shell=True, check=True)


@pytest.mark.parametrize("columns", [("ID", "target"), ("filename", "label")])
def test_the_rows_reach_train_csv_as_the_docs_say(tmp_path, monkeypatch, columns):
    monkeypatch.chdir(tmp_path)
    files = load_params("documents.prepare.files", Files, ROOT / "params.yaml")
    write_folder(MINE)
    table = pd.read_csv(MINE / files.train)
    table.set_axis(columns, axis=1).to_csv(MINE / files.train, index=False)
    kept = LeastSure(3)
    Path("scans").mkdir()
    for number, kind in enumerate(KINDS):
        draw_page(kind, 50 + number).save(f"scans/new{number}.png")
        kept.add({"path": f"scans/new{number}.png", "probabilities": dict.fromkeys(KINDS, 1 / 3)})
    Path("next.csv").write_text(kept.csv_text())
    append_as_the_docs_say()
    with pytest.raises(InputError, match=rf"train\.csv:26: {columns[1]} is empty"):  # nobody has filled it in
        list_train(MINE, files, columns)

    table.set_axis(columns, axis=1).to_csv(MINE / files.train, index=False)
    rows = list(csv.reader(io.StringIO(kept.csv_text())))
    filled = [rows[0], *([row[0], row[0][3], *row[2:]] for row in rows[1:])]
    with Path("next.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(filled)
    for page in Path("scans").iterdir():
        shutil.move(page, MINE / files.images)
    append_as_the_docs_say()
    labels, classes, images = list_train(MINE, files, columns)
    assert (len(labels), images) == (27, 27)
    added = labels.tail(3)
    assert dict(zip(added["file"], added["target"], strict=True)) == {"new0.png": 0, "new1.png": 1, "new2.png": 2}
    assert classes.names == KINDS
