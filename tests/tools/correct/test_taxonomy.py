"""Seed documents and sentences for classes, one at a time."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.taxonomy.data.class_lists import read_seed_documents
from reprise.taxonomy.data.hierarchy_files import read_hierarchy
from reprise.tools.correct.taxonomy import (
    describe_class,
    label_document,
    main,
    replace_words,
    withdraw_document,
    withdraw_sentence,
)
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


def test_withdrawn_answers_leave_no_trace(tmp_path, capsys):
    write_data(tmp_path)
    label_document(tmp_path, "x", ["1"])
    label_document(tmp_path, "z", ["1"])
    assert withdraw_document(tmp_path, "x") == ["x\t1"]
    assert (tmp_path / "seed_documents.txt").read_text() == "z\t1\n"
    main("", "z", None, True, tmp_path)
    assert not (tmp_path / "seed_documents.txt").exists()
    with pytest.raises(InputError, match="document 'z': no answer that could be withdrawn"):
        withdraw_document(tmp_path, "z")
    path = tmp_path / "class_related_keywords.txt"
    path.write_text("food:bread,cheese\nfood:hot : soup, stew\n")
    assert withdraw_sentence(tmp_path, "1") == ["food:hot:soup, stew"]
    assert path.read_text() == "food:bread,cheese\n"
    assert replace_words(tmp_path, "1", ["soup, stew"]) == ("food:hot", [])
    assert read_hierarchy(tmp_path).keywords == (("bread", "cheese"), ("soup", "stew"), ())
    main("1", None, None, True, tmp_path)
    with pytest.raises(InputError, match="class '1': no answer that could be withdrawn"):
        withdraw_sentence(tmp_path, "1")
    assert capsys.readouterr().out == "withdrawn: z\t1\nwithdrawn: food:hot:soup, stew\n"


@pytest.mark.parametrize("options", [("", None, None), ("1", "x", None), ("1", None, "words"), ("1,2", None, None)])
def test_a_withdrawal_is_about_one_thing(tmp_path, options):
    classes, document, sentence = options
    with pytest.raises(InputError, match="--withdraw goes with either --document or one class"):
        main(classes, document, sentence, True, tmp_path)


def test_answers_go_beside_the_data_of_the_other_layout(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "labels.txt").write_text("0\tfood\n1\ttea\n")
    (tmp_path / "train/corpus.txt").write_text("x\tsome text\n")
    label_document(tmp_path, "x", ["1"])
    describe_class(tmp_path, "1", "a cup")
    assert (tmp_path / "seed_documents.txt").read_text() == "x\t1\n"
    assert read_hierarchy(tmp_path).keywords == ((), ("a cup",))


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
