import numpy as np
import pytest
import torch

from reprise.taxonomy.classifier.learner import (
    IGNORED,
    binary_divergence,
    core_labels,
    masked_bce,
    sharpen,
    soft_cross_entropy,
    split_documents,
)
from reprise.taxonomy.data.hierarchy import Hierarchy


def test_labels_of_core_classes():
    chain = Hierarchy(tuple("01234"), tuple("abcde"), ((),) * 5, ((0, 1), (1, 2), (1, 3)))
    core = np.array([[0, 1, 0, 0, 0], [0, 0, 1, 0, 1], [0, 0, 0, 0, 0]], dtype=bool)
    expected = [[1, 1, IGNORED, IGNORED, 0], [1, 1, 1, 0, 1], [0, 0, 0, 0, 0]]
    assert core_labels(core, chain).tolist() == expected


def test_documents_that_a_person_labelled_do_not_validate():
    labelled, seeds = np.arange(40) < 30, np.arange(40) % 2 == 0
    train, valid = split_documents(labelled, seeds, 0.2, seed=1)
    assert len(valid) == 6
    assert not seeds[valid].any()
    assert sorted([*train, *valid]) == list(range(30))
    everyone = split_documents(labelled, np.ones(40, dtype=bool), 0.2, seed=1)
    assert [len(part) for part in everyone] == [24, 6]  # where all are labelled, some have to validate


def test_sharper_targets_are_surer_and_sum_to_one():
    posterior = np.array([[0.8, 0.2], [0.5, 0.5], [1, 0], [0, 0]], dtype=np.float32)
    expected = np.array([[16 / 17, 1 / 17], [0.5, 0.5], [1, 0], [0, 0]])
    np.testing.assert_allclose(sharpen(posterior, 2), expected, rtol=1e-6)
    assert np.array_equal(sharpen(posterior, 1), posterior)


def test_bce_sums_over_classes_and_passes_over_ignored_ones():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]])
    labels = torch.tensor([[1.0, 0.0, IGNORED], [0.0, 1.0, 1.0]])
    expected = 0.0
    for row in range(2):
        for column in range(3):
            if labels[row, column] != IGNORED:
                p = 1 / (1 + np.exp(-float(logits[row, column])))
                expected -= np.log(p if labels[row, column] == 1 else 1 - p) / 2
    assert float(masked_bce(logits, labels)) == pytest.approx(expected, rel=1e-5)


def test_soft_cross_entropy_is_torchs_own():
    logits, targets = torch.randn(6, 4), torch.softmax(torch.randn(6, 4), -1)
    torch.testing.assert_close(soft_cross_entropy(logits, targets), torch.nn.functional.cross_entropy(logits, targets))


def test_divergence_is_torchs_own_and_zero_for_equals():
    targets, predicted = torch.rand(5, 3), torch.rand(5, 3).clamp(0.01, 0.99)
    divergence = torch.nn.functional.kl_div
    yes = divergence(predicted.log(), targets, reduction="sum")
    no = divergence((1 - predicted).log(), 1 - targets, reduction="sum")
    torch.testing.assert_close(binary_divergence(targets, predicted), (yes + no) / 5)
    assert float(binary_divergence(predicted, predicted)) == pytest.approx(0, abs=1e-6)
