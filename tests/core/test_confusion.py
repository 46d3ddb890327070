"""Counts of labels and predictions, against scikit-learn and by hand."""

import numpy as np
from sklearn.metrics import confusion_matrix

from reprise.core.confusion import confused_pairs, count_pairs, most_confused


def test_counts_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    names = np.array(["a", "NA", "<b>", "$x$", "n" * 60])
    actual, predicted = (names[generator.integers(0, 5, 200)].tolist() for _ in range(2))
    found, matrix = count_pairs(actual, predicted)
    assert np.array_equal(matrix, confusion_matrix(actual, predicted, labels=found))
    table = confused_pairs(found, matrix)
    assert table["count"].sum() == np.sum(np.array(actual) != np.array(predicted))
    first = table.iloc[0]
    assert first["count"] == (matrix - np.diag(np.diag(matrix))).max()
    assert first["labelled"] == actual.count(first["label"])


def test_nothing_is_confused():
    for labels in ([], ["a", "b"]):
        names, matrix = count_pairs(labels, labels)
        assert (names, matrix.shape) == (labels, (len(labels),) * 2)
        assert confused_pairs(names, matrix).empty


def test_equal_counts_come_by_share():
    names, matrix = count_pairs(["a", "a", "b"], ["a", "b", "a"])
    assert confused_pairs(names, matrix)[["label", "predicted", "count", "labelled", "share"]].values.tolist() == [
        ["b", "a", 1, 1, 1.0],
        ["a", "b", 1, 2, 0.5],
    ]


def test_the_most_confused_classes_are_kept_in_order():
    matrix = np.diag([9, 9, 9, 9])
    matrix[3, 1] = 2
    assert most_confused(matrix, 2).tolist() == [1, 3]
    assert most_confused(matrix, 4).tolist() == [0, 1, 2, 3]
