import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import f1_score, precision_score, recall_score

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.metrics import (
    bootstrap_interval,
    classification_metrics,
    example_f1_scores,
    hierarchical_metrics,
    level_metrics,
    rank_metrics,
    set_metrics,
    silver_metrics,
)
from tests.taxonomy.hierarchies import naive_ancestors, random_hierarchy

FLAT = Hierarchy(tuple("0123"), tuple("abcd"), ((),) * 4, ())


def random_case(seed: int, documents: int = 60):
    hierarchy = random_hierarchy(seed, 15)
    generator = np.random.default_rng(seed)
    truth = generator.random((documents, 15)) < 0.2
    truth[:3] = False
    predicted = hierarchy.close_upwards(generator.random((documents, 15)) < 0.1)
    scores = generator.integers(0, 6, size=(documents, 15)).astype(np.float32)  # with ties
    scores[generator.random(scores.shape) < 0.1] = np.nan
    return hierarchy, truth, predicted, scores


@pytest.mark.parametrize("seed", range(3))
def test_set_metrics_against_scikit_learn(seed):
    _, truth, predicted, _ = random_case(seed)
    metrics = set_metrics(predicted, csr_array(truth))
    for name, function in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        assert metrics[f"micro_{name}"] == pytest.approx(function(truth, predicted, average="micro", zero_division=0))
        seen = np.flatnonzero(truth.any(axis=0) | predicted.any(axis=0))
        macro = function(truth, predicted, average="macro", labels=seen, zero_division=0)
        assert metrics[f"macro_{name}"] == pytest.approx(macro)
    samples = f1_score(truth, predicted, average="samples", zero_division=1)
    assert example_f1_scores(predicted, csr_array(truth)).mean() == pytest.approx(samples)
    assert metrics["accuracy"] == pytest.approx((truth == predicted).all(axis=1).mean())


@pytest.mark.parametrize("seed", range(3))
def test_rank_metrics_against_loops(seed):
    hierarchy, truth, _, scores = random_case(seed)
    metrics = rank_metrics(scores, csr_array(truth), hierarchy)
    clean = np.nan_to_num(scores, nan=-np.inf)
    reciprocals, p1, p3, top5 = [], [], [], []
    for row in np.flatnonzero(truth.any(axis=1)):
        for label in np.flatnonzero(truth[row]):
            before = sum(1 for other in range(15) if not truth[row, other] and clean[row, other] >= clean[row, label])
            reciprocals.append(1 / (1 + before))
        order = np.lexsort((np.arange(15), hierarchy.levels, -clean[row]))
        p1.append(truth[row, order[0]])
        p3.append(truth[row, order[:3]].mean())
        top5.append(truth[row, order[:5]].any())
    assert metrics["mrr"] == pytest.approx(np.mean(reciprocals))
    assert metrics["p_at_1"] == pytest.approx(np.mean(p1))
    assert metrics["p_at_3"] == pytest.approx(np.mean(p3))
    assert metrics["top5_accuracy"] == pytest.approx(np.mean(top5))


@pytest.mark.parametrize("seed", range(3))
def test_hierarchical_metrics_against_sets(seed):
    hierarchy, truth, predicted, _ = random_case(seed)
    common = found = true = 0
    for row in range(len(truth)):
        left, right = (
            set().union(*(naive_ancestors(hierarchy, int(index)) for index in np.flatnonzero(side[row])))
            for side in (predicted, truth)
        )
        common, found, true = common + len(left & right), found + len(left), true + len(right)
    metrics = hierarchical_metrics(predicted, csr_array(truth), hierarchy)
    assert metrics["hierarchical_precision"] == pytest.approx(common / found)
    assert metrics["hierarchical_recall"] == pytest.approx(common / true)
    assert metrics["hierarchical_f1"] == pytest.approx(2 * common / (found + true))


@pytest.mark.parametrize("seed", range(3))
def test_level_metrics_against_loops(seed):
    hierarchy, truth, predicted, scores = random_case(seed)
    metrics = level_metrics(scores, predicted, csr_array(truth), hierarchy)
    for level in range(1, hierarchy.levels.max() + 1):
        columns = np.flatnonzero(hierarchy.levels == level)
        own = truth[:, columns]
        expected = f1_score(own.ravel(), predicted[:, columns].ravel(), zero_division=0)
        assert metrics[str(level)]["f1"] == pytest.approx(expected)
        clean = np.nan_to_num(scores[:, columns], nan=-np.inf)
        right = [own[row, clean[row].argmax()] for row in range(len(own)) if own[row].any()]
        assert metrics[str(level)]["accuracy"] == pytest.approx(np.mean(right))


def test_a_constant_score_earns_nothing():
    truth = csr_array(np.eye(4, dtype=bool))
    metrics = rank_metrics(np.zeros((4, 4)), truth, FLAT)
    assert metrics["mrr"] == pytest.approx(1 / 4)
    assert metrics["p_at_1"] == 1 / 4


def test_perfect_predictions_score_one_and_none_is_right_for_none():
    truth = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
    metrics = classification_metrics(truth.astype(np.float32), truth, csr_array(truth), FLAT, seed=0)
    for name in ("example_f1", "micro_f1", "macro_f1", "accuracy", "p_at_1", "mrr", "top3_accuracy", "hierarchical_f1"):
        assert metrics[name] == 1
    assert (metrics["documents"], metrics["documents_without_labels"]) == (3, 1)
    wrong = truth.copy()
    wrong[2, 0] = True
    assert example_f1_scores(wrong, csr_array(truth)).tolist() == [1, 1, 0]


def test_truth_is_scored_as_given():
    chain = Hierarchy(("0", "1"), ("a", "b"), ((), ()), ((0, 1),))
    truth, predicted = csr_array(np.array([[False, True]])), np.array([[True, True]])
    metrics = classification_metrics(np.array([[0.9, 0.8]]), predicted, truth, chain, seed=0)
    assert metrics["example_f1"] == pytest.approx(2 / 3)
    assert metrics["hierarchical_f1"] == 1


def test_the_bootstrap_interval_covers_the_mean_and_repeats():
    scores = np.random.default_rng(0).random(500)
    low, high = bootstrap_interval(scores, 3)
    assert low < scores.mean() < high
    assert high - low == pytest.approx(4 * scores.std() / np.sqrt(500), rel=0.15)
    assert bootstrap_interval(scores, 3) == [low, high]


def test_silver_labels():
    truth = csr_array(np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=bool))
    core = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)
    metrics = silver_metrics(core, truth)
    assert metrics["precision"] == pytest.approx(2 / 3)
    assert metrics["coverage"] == pytest.approx(2 / 3)
