import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.questions.unclear import examples, find_doubts, telling_words, unclear_table

FLAT = Hierarchy(("a", "b", "c"), ("tea", "coffee", "milk"), ((), (), ()), ())


def test_doubts_of_a_case_by_hand():
    zero_shot = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=np.float32)
    posterior = np.array([[1, 0, 0], [0.25, 0.75, 0], [0, 1, 0], [0.25, 0.75, 0]], dtype=np.float32)
    doubts = find_doubts(zero_shot, posterior)
    assert doubts.doubt == pytest.approx([1 - (1 + 2 / 16) / 1.5, 1 - (1 + 2 * 9 / 16) / 2.5, 1])
    assert doubts.rival.tolist() == [1, 0, -1]
    assert doubts.came == pytest.approx([0, 1 / 3, 1])
    assert doubts.left == pytest.approx([1 / 2, 0, 1])


POSTERIOR = arrays(np.float64, (6, 3), elements=st.floats(0, 1))


@given(POSTERIOR, POSTERIOR)
def test_doubt_is_the_chance_that_a_second_opinion_differs(before, after):
    """Against sums over documents and classes, one by one."""
    zero_shot, posterior = (rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300) for rows in (before, after))
    doubts = find_doubts(zero_shot, posterior)
    for column in range(3):
        mass = sum(row[column] for row in posterior)
        other = sum(row[column] * row[rival] for row in posterior for rival in range(3) if rival != column)
        lost = sum(row[column] * (1 - sum(row)) for row in posterior if row.any())
        assert doubts.doubt[column] == pytest.approx((other + lost) / mass if mass > 0 else 1, abs=1e-6)
        assert 0 <= doubts.came[column] <= 1
        assert 0 <= doubts.left[column] <= 1


def test_words_tell_one_class_from_the_others():
    texts = ["green tea for me", "black tea for me", "strong coffee for me", "coffee for me", "", "for me"]
    posterior = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], dtype=np.float32)
    words = telling_words(texts, posterior, count=2)
    assert [own[0] for own in words[:2]] == ["tea", "coffee"]
    assert telling_words(["", "?"], posterior[:2]) == [[], [], []]


def test_examples_go_from_the_surest_to_the_least_sure():
    posterior = np.array([[0.6, 0.4, 0]] * 3 + [[0.9, 0.1, 0], [0.1, 0.9, 0], [0.5, 0.4, 0.1]])
    assert examples(list("uvwxyz"), posterior, 0) == ["x", "u", "v", "w", "z"]
    assert examples(list("uvwxyz"), posterior, 1) == ["y"]


def test_the_table_has_every_leaf_the_most_doubtful_first():
    posterior = np.array([[0.5, 0.5, 0], [0, 1, 0]], dtype=np.float32)
    table = unclear_table(["one", "two"], posterior, posterior, FLAT)
    assert table["id"].tolist() == ["c", "a", "b"]
    assert table["mistaken_for"].tolist() == ["", "coffee", "tea"]
    assert table["documents"].tolist() == [0, 1, 1]
    assert table["example_1"].tolist() == ["", "one", "two"]
    assert table["example_2"].tolist() == ["", "", ""]
