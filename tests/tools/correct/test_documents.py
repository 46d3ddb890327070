"""A person's decisions about labels, one at a time."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.documents.data.corrections import read_corrections
from reprise.documents.data.layouts import Files
from reprise.documents.data.tables import Classes
from reprise.tools.correct import documents
from tests.conftest import read_params

CLASSES = Classes(("0", "1"), ("invoice", "letter"))
PAGES = ("a.jpg", "b, c.jpg", 'd"e.jpg')
TRAIN = 'ID,target\na.jpg,0\n"b, c.jpg",1\n"d""e.jpg",1\n'


def correct_label(folder, page, decision, target):
    files = Files.model_validate(read_params()["documents"]["prepare"]["files"])
    return documents.correct_label(folder, page, decision, target, files, ("ID", "target"))


def write_data(folder):
    (folder / "train.csv").write_text(TRAIN)
    (folder / "meta.csv").write_text("target,class_name\n0,invoice\n1,letter\n")
    return folder


def test_an_answer_replaces_an_earlier_one_and_keeps_a_persons_own_columns(tmp_path):
    write_data(tmp_path)
    path = tmp_path / "label_corrections.csv"
    path.write_text('ID,decision,target,who\na.jpg,unsure,,me\n"b, c.jpg",keep,,you\n')
    assert correct_label(tmp_path, "a.jpg", "change", "1") == {"keep": 1, "change": 1, "unsure": 0}
    assert path.read_text() == 'ID,decision,target,who\n"b, c.jpg",keep,,you\na.jpg,change,1,\n'
    assert (tmp_path / "train.csv").read_text() == TRAIN


def test_a_withdrawn_answer_leaves_no_trace(tmp_path):
    write_data(tmp_path)
    path = tmp_path / "label_corrections.csv"
    correct_label(tmp_path, "a.jpg", "change", "1")
    correct_label(tmp_path, "b, c.jpg", "keep", "")
    assert correct_label(tmp_path, "a.jpg", "withdraw", "") == {"keep": 1, "change": 0, "unsure": 0}
    assert path.read_text() == 'ID,decision,target\n"b, c.jpg",keep,\n'
    with pytest.raises(InputError, match=r"page 'a\.jpg': no answer that could be withdrawn"):
        correct_label(tmp_path, "a.jpg", "withdraw", "")
    correct_label(tmp_path, "b, c.jpg", "withdraw", "")
    assert not path.exists()


def test_rows_that_were_replaced_can_be_put_back_with_a_persons_own_columns(tmp_path):
    write_data(tmp_path)
    path = tmp_path / "label_corrections.csv"
    before = 'ID,decision,target,who\n"b, c.jpg",keep,,you\na.jpg,unsure,,me\n'
    path.write_text(before)
    files = Files.model_validate(read_params()["documents"]["prepare"]["files"])
    row = {"ID": "a.jpg", "decision": "change", "target": "1"}
    removed, _ = documents.replace_rows(tmp_path, "a.jpg", [row], files, ("ID", "target"))
    documents.replace_rows(tmp_path, "a.jpg", removed, files, ("ID", "target"))
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (("z.jpg", "keep", ""), r"no training page 'z\.jpg'"),
        (("a.jpg", "drop", ""), r"the answer: decision 'drop'; expected keep, change, unsure"),
        (("a.jpg", "change", "9"), r"the answer: class '9' is not in meta\.csv, which has 0, 1"),
        (("a.jpg", "withdraw", "1"), r"the answer: decision 'withdraw'"),
        (("a.jpg", "change", ""), r"the answer: change with target ''; expected the right class"),
    ],
)
def test_bad_answers_write_nothing(tmp_path, answer, message):
    write_data(tmp_path)
    with pytest.raises(InputError, match=message):
        correct_label(tmp_path, *answer)
    assert not (tmp_path / "label_corrections.csv").exists()


def test_nothing_is_added_to_a_file_that_is_wrong(tmp_path):
    path = write_data(tmp_path) / "label_corrections.csv"
    path.write_text("ID,decision\na.jpg,maybe\n")
    with pytest.raises(InputError, match=r"corrections\.csv:2: decision 'maybe'"):
        correct_label(tmp_path, "b, c.jpg", "keep", "")
    assert path.read_text() == "ID,decision\na.jpg,maybe\n"


def test_a_generated_folder_takes_no_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample = tmp_path / "data/documents/sample"
    sample.mkdir(parents=True)
    copying = (
        "a stage generates this folder.*`cp -r data/documents/sample data/documents/mine`, and name data/documents/"
    )
    with pytest.raises(InputError, match=copying):
        correct_label(write_data(sample), "a.jpg", "keep", "")
    with pytest.raises(InputError, match="no such folder"):
        correct_label(tmp_path / "elsewhere", "a.jpg", "keep", "")


DECISION = st.one_of(
    st.tuples(st.just("change"), st.sampled_from("01")), st.sampled_from([("keep", ""), ("unsure", "")])
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(PAGES), DECISION), min_size=1, max_size=8))
def test_the_last_answer_about_each_page_is_read_back(tmp_path_factory, answers):
    folder = write_data(tmp_path_factory.mktemp("own"))
    for page, (decision, target) in answers:
        correct_label(folder, page, decision, target)
    read = read_corrections(folder / "label_corrections.csv", "ID", "target", CLASSES)
    found = {page: (decision, target) for page, decision, target in read.itertuples(index=False)}
    assert found == {page: (decision, int(target or -1)) for page, (decision, target) in answers}
