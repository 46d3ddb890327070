"""HTML of the tabs of corrections: every name in it is escaped, and an answer says what to run."""

import re

import pytest

from reprise.tools.demo.corrections import markup

BAD = "<img src=x onerror=alert(1)>"
SUSPECT = {"page": BAD, "label": BAD, "predicted": BAD, "probability": 0.9, "label_probability": 0.0}
QUESTION = {"document": BAD, "text": BAD, "likely": [{"name": BAD, "probability": 0.4}], "classes": ["0"]}
UNCLEAR = {"name": BAD, "doubt": 0.5, "documents": 3, "mistaken_for": BAD, "words": BAD, "keywords": [BAD]}


@pytest.mark.parametrize(
    "made",
    [
        markup.suspect_html({**SUSPECT, "decision": "change", "target": "0"}, {"0": BAD}),
        markup.question_html(QUESTION, {"0": BAD}),
        markup.unclear_html({**UNCLEAR, "examples": [BAD]}),
        markup.recording_html({"recording": BAD, "split": BAD, "key": BAD, "verdict": BAD}),
        markup.said_html(BAD, {"file": BAD, "next": BAD}),
        markup.note_html(BAD),
    ],
)
def test_names_are_text_and_never_markup(made):
    assert "<img" not in made
    assert "&lt;img src=x" in made
    tags = re.findall(r"<(/?)(\w+)", made)
    opened = sorted(name for slash, name in tags if not slash and name != "br")
    assert opened == sorted(name for slash, name in tags if slash), "every element is closed"


def test_what_was_said_is_shown():
    assert "nothing yet" in markup.suspect_html({**SUSPECT, "decision": "", "target": ""}, {})
    assert "change to letter" in markup.suspect_html({**SUSPECT, "decision": "change", "target": "1"}, {"1": "letter"})
    assert "in no protocol" in markup.recording_html({"recording": "a", "split": "none", "key": "", "verdict": ""})
    assert "<h3>" not in markup.unclear_html({**UNCLEAR, "examples": []})


def test_an_answer_says_what_to_run_next():
    made = markup.said_html("page: keep.", {"file": "mine/a.csv", "next": "dvc repro documents-evaluate"})
    assert "In mine/a.csv; then run <code>dvc repro documents-evaluate</code>" in made
    assert "code" not in markup.said_html("undone")
    assert markup.note_html("") == ""
