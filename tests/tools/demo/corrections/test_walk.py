"""From one question to the next."""

import pytest

from reprise.tools.demo.corrections.walk import neighbour, question_at, why_closed


@pytest.mark.parametrize(
    ("current", "by", "expected"),
    [("b", 1, (2, False)), ("c", 1, (2, True)), ("a", -1, (0, True)), ("b", 0, (1, False)), ("z", 0, (0, False)),
     (None, 0, (0, False))],
)  # fmt: skip
def test_the_neighbour_lies_within_the_list(current, by, expected):
    assert neighbour(["a", "b", "c"], current, by) == expected


def test_the_first_open_question_is_the_first_without_an_answer():
    assert question_at("abcd", [True, False, True, False], None, 0) == (1, False)
    assert question_at("ab", [True, True], None, 0) == (0, False)


def test_with_a_current_question_the_answers_do_not_matter():
    assert question_at("abc", [True, True, False], "a", 1) == (1, False)
    assert question_at("abc", [True, True, False], "c", 1) == neighbour("abc", "c", 1) == (2, True)


def test_a_generated_folder_is_closed(tmp_path):
    assert why_closed(tmp_path / "mine", tmp_path / "sample") == ""
    assert "a stage generates this folder" in why_closed(tmp_path / "sample/flac", tmp_path / "sample")
