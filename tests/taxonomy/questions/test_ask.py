import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.questions.ask import KERNEL, choose_documents, kernel, question_table, spread


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def clusters(seed):
    """20 documents around each of three directions; those of the first two are unsure."""
    generator = np.random.default_rng(seed)
    documents = unit(np.repeat(np.eye(8)[:3], 20, axis=0) + 0.02 * generator.standard_normal((60, 8)))
    posterior = np.repeat([[0.5, 0.5], [0.6, 0.4], [1.0, 0.0]], 20, axis=0)
    return documents.astype(np.float32), posterior.astype(np.float32)


def test_the_midst_of_each_unsure_cluster_is_asked_for_first():
    documents, posterior = clusters(0)
    first, second = choose_documents(documents, posterior, np.zeros(60, dtype=bool), 2)
    assert first < 20 <= second < 40


def test_what_a_label_covers_is_not_asked_for_again():
    documents, posterior = clusters(1)
    labelled = np.zeros(60, dtype=bool)
    labelled[3] = True
    assert 20 <= choose_documents(documents, posterior, labelled, 1)[0] < 40


@given(st.integers(0, 100), st.integers(1, 6))
def test_each_choice_gains_most_as_a_naive_search_finds_it(seed, count):
    generator = np.random.default_rng(seed)
    documents, posterior = unit(generator.standard_normal((15, 4))), generator.dirichlet([1, 1, 1], 15)
    labelled = generator.random(15) < 0.2
    centred = unit(documents - documents.mean(axis=0))
    unsure = 1 - posterior.max(axis=1)
    covered = [row for row in range(15) if labelled[row]]
    for chosen in choose_documents(documents, posterior, labelled, count):
        gains = {
            row: sum(
                unsure[other]
                * np.prod([1 - np.exp(KERNEL * (centred[seen] @ centred[other] - 1)) for seen in covered])
                * np.exp(KERNEL * (centred[row] @ centred[other] - 1))
                for other in range(15)
            )
            for row in range(15)
            if row not in covered
        }
        assert gains[chosen] == pytest.approx(max(gains.values()), rel=1e-3, abs=1e-6)
        covered.append(int(chosen))


def test_no_more_is_asked_for_than_there_is():
    documents, posterior = clusters(2)
    rows = choose_documents(documents, posterior, np.arange(60) < 57, 30)
    assert sorted(rows) == [57, 58, 59]
    assert len(choose_documents(documents, posterior, np.ones(60, dtype=bool), 3)) == 0


def test_a_label_says_all_about_its_own_document():
    assert kernel(np.eye(3), np.eye(3)).diagonal() == pytest.approx(1)
    assert spread(np.arange(10), 4).tolist() == [0, 3, 6, 9]


def test_the_table_names_the_two_likeliest_classes():
    hierarchy = Hierarchy(("r", "a", "b"), ("root", "tea", "milk"), ((), (), ()), ((0, 1), (0, 2)))
    table = question_table(["x", "y"], ["t" * 500, "u"], np.array([[0.2, 0.8], [1.0, 0.0]]), np.array([0]), hierarchy)
    row = table.iloc[0].to_dict()
    assert len(row.pop("text")) == 160
    assert row == {
        "doc_id": "x",
        "likely_id": "b",
        "likely": "milk",
        "likely_probability": 0.8,
        "second_id": "a",
        "second": "tea",
        "second_probability": 0.2,
    }
