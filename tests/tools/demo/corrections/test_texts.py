"""Documents to label, classes to describe, and what is said of both."""

import pytest

from reprise.core.errors import InputError
from reprise.tools.correct.taxonomy import describe_class, label_document
from reprise.tools.demo.corrections.texts import (
    answer_class,
    answer_document,
    list_questions,
    list_unclear,
    undo_class,
    undo_document,
)
from tests.tools.demo.corrections.helpers import write_params, write_questions


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, taxonomy="data/taxonomy/mine")
    return write_questions(tmp_path)


def test_questions_come_with_the_whole_text_and_the_likely_classes(own):
    first, second = list_questions()["documents"]
    assert first["document"] == "x"
    assert first["text"] == ("a cup " * 60).strip(), "ask.csv has its first words alone"
    assert first["likely"] == [
        {"id": "2", "name": "tea time", "probability": 0.4},
        {"id": "1", "name": "hot meals", "probability": 0.3},
    ]
    assert second["document"] == "=1", "which ask.csv spells otherwise, for spreadsheets"
    assert [first["classes"], second["classes"]] == [[], []]


def test_unclear_classes_come_with_their_words(own):
    first, second = list_unclear()["classes"]
    assert (first["id"], first["name"], first["doubt"], first["documents"]) == ("2", "tea time", 0.5, 7)
    assert (first["examples"], second["examples"]) == (["a cup"], ["soup", "stew"])
    assert (first["keywords"], second["keywords"]) == ([], ["soup", "stew"])


def test_answers_are_those_of_the_command(own, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in own.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    record, _ = answer_document("x", ["2", "1", "2"])
    assert record["lines"] == [label_document(other, "x", ["2", "1", "2"])]
    assert record["next"] == "dvc repro taxonomy-evaluate taxonomy-ask"
    record, _ = answer_class("1", "a stew, or: a soup")
    assert record["lines"] == [describe_class(other, "1", "a stew, or: a soup")]
    for name in ("seed_documents.txt", "class_related_keywords.txt", "train_corpus.txt"):
        assert (own / name).read_bytes() == (other / name).read_bytes()
    assert list_questions()["documents"][0]["classes"] == ["2", "1"]
    assert list_unclear()["classes"][1]["keywords"] == ["a stew or a soup"]


def test_answers_are_undone_to_what_was_said_before(own):
    _, none = answer_document("x", ["2"])
    _, lines = answer_document("x", ["1"])
    undo_document("x", lines)
    assert (own / "seed_documents.txt").read_text() == "x\t2\n"
    undo_document("x", none)
    assert not (own / "seed_documents.txt").exists()
    keywords = (own / "class_related_keywords.txt").read_text()
    _, words = answer_class("1", "something hot")
    undo_class("1", words)
    assert (own / "class_related_keywords.txt").read_text() == keywords, "with commas between"


def test_answers_can_be_withdrawn_once(own):
    answer_document("x", ["2"])
    assert answer_document("x", [], withdraw=True)[1] == ["x\t2"]
    with pytest.raises(InputError, match="document 'x': no answer that could be withdrawn"):
        answer_document("x", [], withdraw=True)
    assert answer_class("1", "", withdraw=True)[1] == ["soup,stew"]
    with pytest.raises(InputError, match="class '1': no answer that could be withdrawn"):
        answer_class("1", "", withdraw=True)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: answer_document("q", ["1"]), "no document 'q'"),
        (lambda: answer_document("x", ["7"]), "no class '7'"),
        (lambda: answer_document("x", []), "document 'x' has no class"),
        (lambda: answer_class("9", "words"), "no class '9'"),
        (lambda: answer_class("1", ", :"), "nothing is said about class '1'"),
    ],
)
def test_wrong_answers_are_the_commands_line_and_write_nothing(own, answer, message):
    before = (own / "class_related_keywords.txt").read_bytes()
    with pytest.raises(InputError, match=message):
        answer()
    assert not (own / "seed_documents.txt").exists()
    assert (own / "class_related_keywords.txt").read_bytes() == before


def test_a_generated_folder_takes_no_answer(own, tmp_path):
    own.rename(own.with_name("sample"))
    write_params(tmp_path, taxonomy="data/taxonomy/sample")
    for answer in (lambda: answer_document("x", ["1"]), lambda: answer_class("1", "words")):
        with pytest.raises(InputError, match="`cp -r data/taxonomy/sample data/taxonomy/mine`"):
            answer()
    assert not list(tmp_path.rglob("seed_documents.txt"))


@pytest.mark.parametrize(
    ("file", "old", "new", "listing", "message"),
    [
        ("ask", "x,a cup", "gone,a cup", list_questions, r"ask\.csv:2: data/taxonomy/mine has no document 'gone'"),
        ("ask", ",2,tea", ",9,tea", list_questions, r"ask\.csv:2: no class '9' in the folder"),
        ("unclear_classes", "1,hot", "9,hot", list_unclear, r"unclear_classes\.csv:3: data/.* has no class '9'"),
    ],
)
def test_questions_about_other_data_are_one_line(own, tmp_path, file, old, new, listing, message):
    path = tmp_path / f"metrics/taxonomy/{file}.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        listing()
    path.unlink()
    with pytest.raises(InputError, match=rf"{file}\.csv: no such file; `dvc repro taxonomy-ask` writes it"):
        listing()
