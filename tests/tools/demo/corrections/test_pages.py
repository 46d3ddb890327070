"""The suspects one by one, what is said of them, and the pages to label next."""

import csv
import io
import shutil
import threading

import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.documents.least_sure import LeastSure
from reprise.tools.correct.documents import correct_label, load_names
from reprise.tools.demo.corrections.pages import answer_page, label_next, list_suspects, suspect_image, undo_page
from tests.tools.demo.corrections.helpers import write_labels, write_params

SUSPECTS = "metrics/documents/suspects.csv"


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, documents="data/documents/mine")
    return write_labels(tmp_path)


def said():
    return [(each["page"], each["decision"], each["target"]) for each in list_suspects()["suspects"]]


def test_suspects_come_with_label_and_prediction_and_image(own):
    listed = list_suspects()
    assert listed["folder"] == "data/documents/mine"
    assert [each["name"] for each in listed["classes"]] == ["bars", "columns", "dots"]
    first, second = listed["suspects"]
    assert (first["page"], first["label"], first["predicted"]) == ("bars0", "bars", "dots")
    assert (first["predicted_target"], first["probability"], first["label_probability"]) == ("2", 0.9, 0.05)
    assert suspect_image(second).read_bytes() == (own / "train/dots1.png").read_bytes()


def test_an_answer_is_that_of_the_command_and_train_csv_stays(own, tmp_path):
    before = (own / "train.csv").read_bytes()
    shutil.copytree(own, tmp_path / "other")
    files, columns = load_names()
    for page, decision, target in (
        ("bars0", "change", "2"),
        ("dots1", "keep", ""),
        ("dots1", "unsure", ""),
    ):
        counts = correct_label(tmp_path / "other", page, decision, target, files, columns)
        record, _ = answer_page(page, decision, target)
        assert record["decisions"] == counts
    ours, theirs = own / "label_corrections.csv", tmp_path / "other/label_corrections.csv"
    assert ours.read_bytes() == theirs.read_bytes()
    assert (own / "train.csv").read_bytes() == before
    assert record["next"] == "dvc repro documents-evaluate"
    assert said() == [("bars0", "change", "2"), ("dots1", "unsure", "")]


def test_an_answer_is_undone_to_what_was_said_before(own):
    path = own / "label_corrections.csv"
    _, none = answer_page("bars0", "keep", "")
    first = path.read_bytes()
    _, rows = answer_page("bars0", "change", "1")
    undo_page("bars0", rows)
    assert path.read_bytes() == first
    undo_page("bars0", none)
    assert not path.exists()


def test_an_answer_can_be_withdrawn_once(own):
    answer_page("bars0", "keep", "")
    record, rows = answer_page("bars0", "withdraw", "")
    assert record["decisions"] == {"keep": 0, "change": 0, "unsure": 0}
    assert [row["decision"] for row in rows] == ["keep"]
    with pytest.raises(InputError, match=r"page 'bars0': no answer that could be withdrawn"):
        answer_page("bars0", "withdraw", "")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (("z.png", "keep", ""), "no training page 'z.png'"),
        (("bars0", "drop", ""), "the answer: decision 'drop'; expected keep, change, unsure"),
        (("bars0", "change", "9"), "the answer: class '9' is not in meta.csv"),
        (("bars0", "change", ""), "the answer: change with target ''"),
        (("bars0", "withdraw", "2"), "the answer: decision 'withdraw'"),
    ],
)
def test_wrong_answers_are_the_commands_line_and_write_nothing(own, answer, message):
    with pytest.raises(InputError) as ours:
        answer_page(*answer)
    assert message in str(ours.value)
    assert not (own / "label_corrections.csv").exists()


def test_a_generated_folder_takes_no_answer(own, tmp_path):
    own.rename(own.with_name("sample"))
    write_params(tmp_path, documents="data/documents/sample")
    with pytest.raises(InputError, match="`cp -r data/documents/sample data/documents/mine`"):
        answer_page("bars0", "keep", "")
    assert not list(tmp_path.rglob("label_corrections.csv"))


def test_suspects_of_other_data_are_one_line(own):
    text = (own.parents[2] / SUSPECTS).read_text()
    (own.parents[2] / SUSPECTS).write_text(text.replace("dots1", "gone"))
    with pytest.raises(InputError, match=rf"{SUSPECTS}:3: data/documents/mine has no page 'gone'; `dvc repro"):
        list_suspects()
    (own.parents[2] / SUSPECTS).unlink()
    with pytest.raises(InputError, match=f"{SUSPECTS}: no such file"):
        list_suspects()


def test_a_page_that_looks_like_a_formula_is_found(own):
    """suspects.csv is made for spreadsheets, which take what begins with = for a formula."""
    (own / "train/bars0.png").rename(own / "train/=bars0.png")
    for path in (own / "train.csv", own.parents[2] / SUSPECTS):
        new = "=bars0" if path.name == "train.csv" else "'=bars0"
        path.write_text(path.read_text().replace("bars0", new))
    first = list_suspects()["suspects"][0]
    assert first["page"] == "=bars0"
    assert suspect_image(first).name == "=bars0.png"
    (own / "train/=bars0.png").unlink()
    with pytest.raises(InputError, match=r"bars0\.png: no such file"):
        suspect_image(first)


def test_two_tabs_lose_no_answer(own):
    pages = [f"{kind}{number}" for kind in ("bars", "dots") for number in range(8)]
    threads = [threading.Thread(target=answer_page, args=(page, "keep", "")) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with (own / "label_corrections.csv").open() as file:
        assert sorted(row["ID"] for row in csv.DictReader(file)) == pages


def record_of(name, *probabilities):
    return {"name": name, "probabilities": dict(zip("abc", probabilities, strict=True))}


def test_the_pages_to_label_next_are_those_of_the_command():
    generator = np.random.default_rng(0)
    records = [
        record_of(f"{number}.png", *row) for number, row in enumerate(generator.dirichlet(np.ones(3), 40).tolist())
    ]
    command = LeastSure(30)
    for record in records:
        command.add({**record, "path": record["name"]})
    text = label_next([{"name": "bad.png", "error": "no image"}, *records])
    assert text == command.csv_text()
    margins = {each["name"]: np.diff(np.sort(list(each["probabilities"].values())))[-1] for each in records}
    listed = [row["ID"] for row in csv.DictReader(io.StringIO(text))]
    assert listed == sorted(margins, key=lambda name: margins[name])[:30]


@pytest.mark.parametrize(
    "record",
    ["a", {"probabilities": {"a": 1, "b": 0}}, {"name": "a", "probabilities": {"a": 1}}, record_of("a", *"xyz")],
)
def test_anything_else_is_no_record(record):
    with pytest.raises(InputError, match="record 2: expected name and probabilities of a page, or its error"):
        label_next([{"name": "a", "error": "b"}, record])
