"""The page's HTML: what is said in words, and that every name in it is escaped."""

import re

import numpy as np
import pytest

from reprise.tools.demo import markup

BAD = "<img src=x onerror=alert(1)>"


def text_record(**changes):
    return {
        "classes": [{"path": [BAD, "b"], "ids": ["0", "1"], "probabilities": [0.9, 0.8]}],
        "about_none": False,
        "evidence": 0.1,
        "threshold": 0.2,
        "tree": [{"id": "0", "name": BAD, "level": 1, "probability": 0.9, "chosen": True}],
        "target": {"id": "0", "path": [BAD], "probability": 0.9},
        "words": [{"text": BAD, "effect": 2.0}, {"text": "dull", "effect": -1.0}],
        "nearest_texts": [{"class": BAD, "text": BAD, "cosine": 0.5}],
        **changes,
    }


def page_record(**changes):
    return {
        "name": BAD,
        "class_name": BAD,
        "probability": 0.7,
        "probabilities": {BAD: 0.7, "b": 0.3},
        "orientation": {"found": "upside down", "view": 2, "probability": 0.9995},
        "warning": BAD,
        **changes,
    }


def speech_record(**changes):
    return {
        "name": BAD,
        "seconds": 2.0,
        "score": 1.0,
        "threshold": 0.0,
        "spoof_probability": 0.2,
        "spoof_probability_by": {"detector": 0.9, "baseline": 0.05},
        "decision": "bonafide",
        "damage": BAD,
        "familiarity": {"distance": 2.0, "threshold": 1.0, "unlike": True, "reasons": [BAD]},
        **changes,
    }


@pytest.mark.parametrize(
    "made",
    [
        markup.tree_html(text_record()),
        markup.words_html(text_record()),
        markup.nearest_html(text_record()),
        markup.page_html(page_record()),
        markup.speech_html(speech_record()),
        markup.headlines_html([BAD], [[BAD]]),
        markup.experiments_html([BAD], [[BAD]]),
        markup.pictures_html([(np.zeros((4, 4, 3), np.uint8), BAD)]),
        markup.moments_html([{"seconds": 1.0, "importance": 1.0}], [f"data:{BAD}"]),
    ],
)
def test_names_are_text_and_never_markup(made):
    assert "<img src=x" not in made
    assert "&lt;img src=x" in made
    tags = re.findall(r"<(/?)(\w+)", made)
    opened = [name for slash, name in tags if not slash and name not in ("img", "br")]
    assert sorted(opened) == sorted(name for slash, name in tags if slash), "every element is closed"


def test_about_none_is_said_plainly():
    made = markup.tree_html(text_record(about_none=True, classes=[]))
    assert "About none of the classes" in made
    assert "0.100, below the 0.200" in made


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, "< 0.1 %"), (0.0005, "< 0.1 %"), (0.5, "50.0 %"), (0.9996, "> 99.9 %")]
)
def test_no_probability_is_none_or_all(value, expected):
    assert markup.percent(value) == expected.replace(" %", "\u00a0%")


def test_words_are_coloured_by_sign_and_strength():
    made = markup.words_html(text_record())
    assert f"rgba({markup.FOR}, 0.75)" in made
    assert f"rgba({markup.AGAINST}, 0.38)" in made


def test_a_stranger_is_warned_of_and_a_known_kind_is_not():
    assert 'role="alert"' in markup.speech_html(speech_record())
    known = {"distance": 0.5, "threshold": 1.0, "unlike": False, "reasons": []}
    assert 'role="alert"' not in markup.speech_html(speech_record(familiarity=known))
    assert "not known" in markup.speech_html(speech_record(familiarity=None))


def test_what_is_not_there_is_said():
    assert "not taught" in markup.page_html(page_record(orientation=None))
    assert "not here" in markup.pictures_html([])
    assert "dvc exp run" in markup.experiments_html([], [])
    assert "make report" in markup.report_html(False)
    assert 'href="report"' in markup.report_html(True)


def test_only_wide_tables_become_lists_on_a_phone():
    assert 'class="wide"' not in markup.table_html(["a", "b", "c"], [["1", "2", "3"]])
    wide = markup.table_html(["a", "b", "c", "d"], [["1", "2", "3", "4"]])
    assert 'class="wide"' in wide
    assert '<td data-name="d">4</td>' in wide
