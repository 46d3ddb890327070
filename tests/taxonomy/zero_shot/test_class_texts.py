import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.class_texts import add_keywords, check_template, class_texts, mean_per_class

HIERARCHY = Hierarchy(("0", "1", "2"), ("food", "drink", "iced tea"), ((), ("cup",), ("ice", "leaf")), ((0, 2), (1, 2)))


def test_every_template_that_a_class_can_fill():
    texts = class_texts(HIERARCHY, ["{name}", "{parent}: {name}", "{name}: {keywords}"])
    assert texts == [
        ["food"],
        ["drink", "drink: cup"],
        ["iced tea", "food: iced tea", "drink: iced tea", "iced tea: ice, leaf"],
    ]


def test_a_class_is_never_without_a_text():
    assert class_texts(HIERARCHY, ["{parent}: {name}"])[0] == ["food"]


def test_keywords_count_by_themselves():
    classes = np.eye(3, dtype=np.float32)
    keywords = np.array([[0, 0, 1], [0.6, 0.8, 0], [0.6, -0.8, 0]], dtype=np.float32)  # cup; ice, leaf
    moved = add_keywords(classes, keywords, HIERARCHY, 2.0)
    expected = [[1, 0, 0], np.array([0, 1, 2]) / 5**0.5, np.array([1.2, 0, 1]) / np.linalg.norm([1.2, 0, 1])]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    assert np.array_equal(classes, np.eye(3))
    np.testing.assert_allclose(add_keywords(classes, keywords, HIERARCHY, 0.0), classes)


def test_means_are_of_norm_one():
    embeddings = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], dtype=np.float32)
    means = mean_per_class(embeddings, [["a"], ["b", "c"], ["d"]])
    expected = np.array([0.3, 0.9]) / np.linalg.norm([0.3, 0.9])
    np.testing.assert_allclose(means, [[1, 0], expected, [1, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{}", r"\{\} is no field of a template; expected text with \{name\}, \{parent\}, \{keywords\}"),
        ("{label}", r"\{label\} is no field"),
        ("{name.__class__}", r"\{name.__class__\} is no field"),
        ("{name[0]}", r"\{name\[0\]\} is no field"),
        ("{0}", r"\{0\} is no field"),
        ("{name", "expected '}' before end of string; expected text with"),
        ("name}", "Single '}' encountered"),
        ("{name!r}", "a field has a conversion or a format"),
        ("{name:>2000000000}", "a field has a conversion or a format"),
        ("this text", r"no \{name\}"),
        ("", r"no \{name\}"),
    ],
)
def test_templates_that_cannot_be_filled_are_refused(template, message):
    with pytest.raises(ValueError, match=message):
        check_template(template)


def test_braces_and_names_are_text():
    assert check_template("{{{name}}}") == "{{{name}}}"
    braces = Hierarchy(("0",), ("{parent} {0}",), ((),), ())
    assert class_texts(braces, ["{{{name}}}"]) == [["{{parent} {0}}"]]


@given(st.text(alphabet="{}name!:. ", max_size=12))
def test_an_accepted_template_can_be_filled(template):
    try:
        check_template(template)
    except ValueError:
        return
    assert "food" in class_texts(HIERARCHY, [template])[0][0]
