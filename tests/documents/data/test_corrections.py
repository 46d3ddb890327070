import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.documents.data.corrections import apply_corrections, read_corrections, settled_pages
from reprise.documents.data.tables import Classes
from tests.taxonomy.readers import value_or_error

CLASSES = Classes(("0", "1", "7"), ("invoice", "letter", "form"))
LABELS = pd.DataFrame({"id": ["a.jpg", "b.jpg", "caf\u00e9.jpg"], "target": [0, 1, 2]})


def corrections_of(folder, text):
    path = folder / "label_corrections.csv"
    path.write_text(text)
    return path, read_corrections(path, "ID", "target", CLASSES)


def test_labels_change_where_a_person_changed_them(tmp_path):
    path, corrections = corrections_of(
        tmp_path, "ID,decision,target,note\na.jpg,change,7,mine\ncafe\u0301.jpg,keep\nb.jpg,unsure,\n"
    )
    labels, counts = apply_corrections(path, LABELS, corrections)
    assert labels["target"].tolist() == [2, 1, 2]
    assert LABELS["target"].tolist() == [0, 1, 2]
    assert counts == {"keep": 1, "change": 1, "unsure": 1, "labels_changed": 1}
    assert settled_pages(corrections) == {"a.jpg", "caf\u00e9.jpg"}


def test_without_a_file_nothing_changes(tmp_path):
    path = tmp_path / "label_corrections.csv"
    labels, counts = apply_corrections(path, LABELS, read_corrections(path, "ID", "target", CLASSES))
    assert labels.equals(LABELS)
    assert set(counts.values()) == {0}


def correct(folder, text):
    path, corrections = corrections_of(folder, text)
    return apply_corrections(path, LABELS, corrections)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,target\na.jpg,0\n", r"corrections\.csv: no column 'decision'; there are ID, target"),
        ("ID,decision\na.jpg,drop\n", r"corrections\.csv:2: decision 'drop'; expected keep, change, unsure"),
        ("ID,decision\na.jpg,change\n", r":2: change with target ''; expected the right class"),
        ("ID,decision,target\na.jpg,keep,1\n", r":2: keep with target '1'; expected it empty"),
        ("ID,decision,target\na.jpg,change,2\n", r":2: class '2' is not in meta\.csv, which has 0, 1, 7"),
        ("ID,decision,target\na.jpg,keep,\na.jpg,change,1\n", r":3: ID 'a\.jpg' is already on line 2"),
        ("ID,decision\nz.jpg,keep\n", r":2: 'z\.jpg' is not in train\.csv"),
    ],
)
def test_bad_corrections_are_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        correct(tmp_path, text)


DECISION = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(CLASSES.targets)), st.sampled_from([("keep", ""), ("unsure", "")])
)


@given(st.dictionaries(st.sampled_from(LABELS["id"].tolist()), DECISION))
def test_any_decisions_change_just_what_they_say(tmp_path_factory, decisions):
    lines = [f"{page},{decision},{target}\n" for page, (decision, target) in decisions.items()]
    path, corrections = corrections_of(tmp_path_factory.mktemp("own"), "ID,decision,target\n" + "".join(lines))
    labels, counts = apply_corrections(path, LABELS, corrections)
    expected = [
        CLASSES.targets.index(decisions[page][1]) if decisions.get(page, ("",))[0] == "change" else target
        for page, target in zip(LABELS["id"], LABELS["target"], strict=True)
    ]
    assert labels["target"].tolist() == expected
    assert sum(counts[decision] for decision in ("keep", "change", "unsure")) == len(decisions)
    assert counts["labels_changed"] == int((np.array(expected) != LABELS["target"]).sum())


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("own") / "label_corrections.csv"
    path.write_bytes(f"ID,decision,target\n{text}".encode("utf-8", "surrogatepass"))
    _, error = value_or_error(lambda: read_corrections(path, "ID", "target", CLASSES))
    assert error is None or "label_corrections.csv" in error
