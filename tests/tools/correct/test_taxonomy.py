"""Seed documents and sentences for classes, one at a time."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.taxonomy.data.class_lists import read_seed_documents
from reprise.taxonomy.data.hierarchy import read_hierarchy
from reprise.tools.correct.taxonomy import describe_class, label_document
from tests.taxonomy.readers import value_or_error

NAMES = ("food", "food:hot", "tea_time")
DOCUMENTS = ("x", "y 1", "z")


def write_data(folder):
    (folder / "classes.txt").write_text("".join(f"{number}\t{name}\n" for number, name in enumerate(NAMES)))
    (folder / "class_hierarchy.txt").write_text("0\t1\n")
    (folder / "train_corpus.txt").write_text("".join(f"{name}\tsome text\n" for name in DOCUMENTS))
    return folder


def test_a_document_has_the_classes_of_the_last_answer(tmp_path):
    write_data(tmp_path)
    label_document(tmp_path, "x", ["1"])
    label_document(tmp_path, "y 1", ["2", "1", "2"])
    assert label_document(tmp_path, "x", ["2"]) == "x\t2"
    assert (tmp_path / "seed_documents.txt").read_text() == "y 1\t2,1\nx\t2\n"


def test_a_class_has_the_last_sentence(tmp_path):
    write_data(tmp_path)
    (tmp_path / "class_related_keywords.txt").write_text("food:bread,cheese\nfood:hot:soup\n")
    describe_class(tmp_path, "1", "a stew, or: a soup")
    assert describe_class(tmp_path, "2", " cups  of tea ") == "tea_time:cups of tea"
    assert read_hierarchy(tmp_path).keywords == (("bread", "cheese"), ("a stew or a soup",), ("cups of tea",))
    describe_class(tmp_path, "0", "what one eats")
    assert read_hierarchy(tmp_path).keywords[0] == ("what one eats",)


@pytest.mark.parametrize(
    ("document", "classes", "message"),
    [
        ("q", ["1"], r"train_corpus\.txt: no document 'q'"),
        ("x", ["1", "7"], r"classes\.txt: no class '7'"),
        ("x", [], "document 'x' has no class"),
    ],
)
def test_bad_seed_documents_write_nothing(tmp_path, document, classes, message):
    write_data(tmp_path)
    with pytest.raises(InputError, match=message):
        label_document(tmp_path, document, classes)
    assert not (tmp_path / "seed_documents.txt").exists()


def test_bad_sentences_write_nothing(tmp_path):
    write_data(tmp_path)
    with pytest.raises(InputError, match=r"classes\.txt: no class '9'"):
        describe_class(tmp_path, "9", "words")
    with pytest.raises(InputError, match="nothing is said about class '1'"):
        describe_class(tmp_path, "1", ", :")
    (tmp_path / "class_related_keywords.txt").write_text("nothing:words\n")
    with pytest.raises(InputError, match="'nothing' is not a name"):
        describe_class(tmp_path, "1", "words")
    assert (tmp_path / "class_related_keywords.txt").read_text() == "nothing:words\n"


ANSWERS = st.lists(
    st.tuples(st.sampled_from(DOCUMENTS), st.lists(st.sampled_from("012"), min_size=1, max_size=3)), max_size=6
)


@settings(max_examples=30)
@given(ANSWERS)
def test_any_answers_are_read_back(tmp_path_factory, answers):
    folder = write_data(tmp_path_factory.mktemp("own"))
    expected = np.zeros((len(DOCUMENTS), len(NAMES)), dtype=bool)
    for document, classes in answers:
        label_document(folder, document, classes)
        expected[DOCUMENTS.index(document)] = [str(column) in classes for column in range(len(NAMES))]
    seeds = read_seed_documents(folder / "seed_documents.txt", read_hierarchy(folder), DOCUMENTS)
    assert np.array_equal(seeds, expected)


SAID = st.lists(st.tuples(st.sampled_from("012"), st.text("ab ,:-_\u00e9", max_size=12)), max_size=6)


@settings(max_examples=30)
@given(SAID)
def test_any_sentences_are_read_back(tmp_path_factory, said):
    folder = write_data(tmp_path_factory.mktemp("own"))
    expected: list[tuple[str, ...]] = [()] * len(NAMES)
    for identifier, sentence in said:
        line, error = value_or_error(partial(describe_class, folder, identifier, sentence))
        if line is None:
            assert error is not None
            assert "nothing is said" in error
        else:
            expected[int(identifier)] = (line.removeprefix(f"{NAMES[int(identifier)]}:"),)
    found = read_hierarchy(folder).keywords
    assert [len(own) for own in found] == [len(own) for own in expected]
