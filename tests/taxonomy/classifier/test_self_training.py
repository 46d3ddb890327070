import numpy as np
import pytest
import torch

from reprise.taxonomy.classifier.self_learner import binary_entropy
from reprise.taxonomy.classifier.self_training import WordView, neighbour_targets, neighbour_weights, paper_targets
from reprise.taxonomy.zero_shot.refine import normalise


def test_the_papers_targets_against_loops():
    p = np.random.default_rng(0).random((6, 3))
    targets = paper_targets(p.astype(np.float32))
    for i in range(6):
        for j in range(3):
            inside = p[i, j] ** 2 / sum(p[k, j] for k in range(6))
            outside = (1 - p[i, j]) ** 2 / sum(1 - p[k, j] for k in range(6))
            assert targets[i, j] == pytest.approx(inside / (inside + outside), rel=1e-4)


def test_certain_predictions_stay_certain():
    assert np.isfinite(paper_targets(np.ones((3, 2), np.float32))).all()


def test_neighbours_against_brute_force():
    generator = np.random.default_rng(0)
    documents = normalise(generator.normal(size=(30, 5))).astype(np.float32)
    reference = np.sort(generator.choice(30, 20, replace=False))
    weights = neighbour_weights(documents, reference, 4).toarray()
    for row in range(30):
        cosines = {place: float(documents[row] @ documents[other]) for place, other in enumerate(reference)}
        nearest = sorted((p for p in cosines if reference[p] != row), key=lambda p: -cosines[p])[:4]
        expected = np.zeros(20)
        expected[nearest] = [max(cosines[p], 1e-6) for p in nearest]
        np.testing.assert_allclose(weights[row], expected / expected.sum(), atol=1e-4)


def test_neighbour_targets_are_half_ones_own():
    documents = np.eye(3, dtype=np.float32)[[0, 0, 1, 1]]
    probabilities = np.array([[1, 0], [0, 1], [0.2, 0.8], [0.4, 0.6]], dtype=np.float32)
    voters = np.arange(4)
    targets = neighbour_targets(probabilities, neighbour_weights(documents, voters, 1), voters)
    np.testing.assert_allclose(targets, [[0.5, 0.5], [0.5, 0.5], [0.3, 0.7], [0.3, 0.7]], atol=1e-5)


def test_mutual_information_ranks_labellings_without_a_true_label():
    generator = np.random.default_rng(0)
    words = [["tea", "cup", "leaf"], ["ball", "team", "goal"], ["tax", "law", "court"]]
    labels = generator.integers(0, 3, 300)
    texts = [" ".join(generator.choice(words[label], 4)) for label in labels]
    view = WordView(texts, seed=1)
    noisy = np.where(generator.random(300) < 0.3, generator.integers(0, 3, 300), labels)
    scores = [view.mutual_information(own) for own in (labels, noisy, generator.integers(0, 3, 300))]
    assert scores[0] > 0.95 * np.log(3) > scores[1] > 0.2 > scores[2]
    merged = np.minimum(labels, 1)
    assert view.mutual_information(merged) < 0.7 * scores[0]  # merging makes labels easier to predict, and says less
    assert view.mutual_information(np.zeros(300, dtype=int)) == 0
    assert WordView(["", " ", ""], seed=1).mutual_information(np.array([0, 1, 0])) == 0


def test_entropy_of_targets():
    assert binary_entropy(torch.tensor([[0.5, 1.0], [0.0, 1.0]])) == pytest.approx(np.log(2) / 2)
