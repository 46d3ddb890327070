"""How well predictions for N documents and C classes fit the true labels.

Truth is taken as given, except in hierarchical precision and recall, which close both sides under ancestors by
definition. A document about none of the classes counts in the metrics of sets (an empty prediction is right there: 1),
and not in those of ranks. Scores are read in blocks of rows, so that memory does not grow with sorted copies of them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from reprise.taxonomy.data.hierarchy import Hierarchy

BLOCK = 4096  # documents at once
TOP = (1, 3, 5, 10)
RESAMPLES = 1000
RESAMPLED_AT_ONCE = 2**20  # scores, which bounds the memory


def classification_metrics(
    scores: np.ndarray, predicted: np.ndarray, truth: csr_array, hierarchy: Hierarchy, seed: int
) -> dict[str, Any]:
    """All metrics of one classifier.

    Args:
        scores: (N, C), higher is better; NaN, never scored, ranks last.
        predicted: (N, C) bool, closed under ancestors.
        truth: (N, C) sparse bool.
        hierarchy: the C classes.
        seed: of the bootstrap.
    """
    example_f1 = example_f1_scores(predicted, truth)
    return {
        "example_f1": float(example_f1.mean()),
        "example_f1_ci95": bootstrap_interval(example_f1, seed),
        **set_metrics(predicted, truth),
        **rank_metrics(scores, truth, hierarchy),
        **hierarchical_metrics(predicted, truth, hierarchy),
        "per_level": level_metrics(scores, predicted, truth, hierarchy),
        "documents": int(truth.shape[0]),
        "documents_without_labels": int((truth.sum(axis=1) == 0).sum()),
        "documents_without_prediction": int((~predicted.any(axis=1)).sum()),
        "mean_predicted_classes": float(predicted.sum(axis=1).mean()),
    }


def example_f1_scores(predicted: np.ndarray, truth: csr_array) -> np.ndarray:
    """Each document's F1, (N,): 2 |P and T| / (|P| + |T|), and 1 where both are empty."""
    chosen = csr_array(predicted)
    sizes, common = chosen.sum(axis=1) + truth.sum(axis=1), (chosen * truth).sum(axis=1)
    return np.where(sizes > 0, 2 * common / np.maximum(sizes, 1), 1.0)


def bootstrap_interval(scores: np.ndarray, seed: int) -> list[float]:
    """95 % percentile interval of the mean of (N,) scores, from resamples of the documents."""
    from scipy.stats import bootstrap

    if len(scores) == 1:
        return [float(scores[0])] * 2  # SciPy takes no single observation
    generator, batch = np.random.default_rng(seed), max(1, RESAMPLED_AT_ONCE // len(scores))
    result = bootstrap((scores,), np.mean, n_resamples=RESAMPLES, batch=batch, method="percentile", rng=generator)
    return [float(bound) for bound in result.confidence_interval]


def set_metrics(predicted: np.ndarray, truth: csr_array) -> dict[str, float]:
    """Micro and macro precision, recall and F1, and accuracy (the exact set).

    Macro averages over the classes that are true or predicted somewhere: a class that is neither has no F1.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    chosen = csr_array(predicted)
    metrics: dict[str, float] = {}
    seen = np.flatnonzero(chosen.sum(axis=0) + truth.sum(axis=0))
    for average, labels in (("micro", None), ("macro", seen)):
        scores = (0.0, 0.0, 0.0)
        if len(seen):
            *scores, _ = precision_recall_fscore_support(truth, chosen, average=average, labels=labels, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), scores, strict=True):
            metrics[f"{average}_{name}"] = float(value)
    return {**metrics, "accuracy": float(accuracy_score(truth, chosen))}


def class_counts(predicted: np.ndarray, truth: csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per class, (C,) each: documents where it is rightly predicted, predicted, and true."""
    chosen = csr_array(predicted)
    return (chosen * truth).sum(axis=0), chosen.sum(axis=0), truth.sum(axis=0)


def rank_metrics(scores: np.ndarray, truth: csr_array, hierarchy: Hierarchy) -> dict[str, float]:
    """Precision at 1 and 3, mean reciprocal rank, and whether a true class is among the best 3, 5, 10.

    Of classes with equal scores those on higher levels come first, as a parent scores at least as high as its child.
    A true class's rank is filtered: other true classes do not count. Wrong classes with the same score come before it,
    so that a constant score earns nothing.
    """
    order = np.argsort(hierarchy.levels, kind="stable")  # columns, higher levels first
    right, hits, reciprocals, documents, labels = dict.fromkeys(TOP, 0.0), dict.fromkeys(TOP, 0.0), 0.0, 0, 0
    for rows, true in _blocks(truth):
        labelled = true.any(axis=1)
        own, block = true[labelled][:, order], _clean(scores[rows])[labelled][:, order]
        best = np.argsort(-block, axis=1, kind="stable")[:, : max(TOP)]
        correct = np.take_along_axis(own, best, axis=1)
        for k in TOP:
            right[k] += correct[:, :k].sum() / k
            hits[k] += correct[:, :k].any(axis=1).sum()
        reciprocals += filtered_reciprocal_ranks(block, own).sum()
        documents, labels = documents + len(own), labels + int(own.sum())
    return {
        "p_at_1": _ratio(right[1], documents),
        "p_at_3": _ratio(right[3], documents),
        "mrr": _ratio(reciprocals, labels),
        "top3_accuracy": _ratio(hits[3], documents),
        "top5_accuracy": _ratio(hits[5], documents),
        "top10_accuracy": _ratio(hits[10], documents),
    }


def filtered_reciprocal_ranks(scores: np.ndarray, true: np.ndarray) -> np.ndarray:
    """1 / (1 + wrong classes that score at least as high), for every true class of every document, (labels,)."""
    rows, columns = np.nonzero(true)
    wrong = np.where(true, -np.inf, scores)
    wrong.sort(axis=1)
    own = scores[rows, columns]
    ranks = np.empty(len(own))
    starts = np.searchsorted(rows, np.arange(len(scores) + 1))
    for row in range(len(scores)):
        label = slice(starts[row], starts[row + 1])
        ranks[label] = 1 + wrong.shape[1] - np.searchsorted(wrong[row], own[label], side="left")
    return 1 / ranks


def hierarchical_metrics(predicted: np.ndarray, truth: csr_array, hierarchy: Hierarchy) -> dict[str, float]:
    """Micro precision, recall and F1 with ancestors added to both sides (Kiritchenko et al., AI 2006)."""
    closed = csr_array(hierarchy.close_upwards(truth.toarray()))
    metrics = set_metrics(hierarchy.close_upwards(predicted), closed)
    return {f"hierarchical_{name}": metrics[f"micro_{name}"] for name in ("f1", "precision", "recall")}


def level_metrics(
    scores: np.ndarray, predicted: np.ndarray, truth: csr_array, hierarchy: Hierarchy
) -> dict[str, dict[str, float]]:
    """For each level: micro F1 over its classes, and accuracy.

    Accuracy: of the documents with a true class on the level, those for which its best-scored class is true.
    """
    found, total_predicted, total_true = class_counts(predicted, truth)
    result = {}
    for level in range(1, int(hierarchy.levels.max()) + 1):
        columns = np.flatnonzero(hierarchy.levels == level)
        right = documents = 0
        for rows, true in _blocks(truth):
            own = true[:, columns]
            labelled = own.any(axis=1)
            best = _clean(scores[rows][:, columns]).argmax(axis=1)
            right += int((own[np.arange(len(own)), best] & labelled).sum())
            documents += int(labelled.sum())
        result[str(level)] = {
            "accuracy": _ratio(right, documents),
            "f1": _ratio(2 * found[columns].sum(), (total_predicted + total_true)[columns].sum()),
            "documents": documents,
        }
    return result


def silver_metrics(core: np.ndarray, truth: csr_array) -> dict[str, float]:
    """Share of the core classes (N, C) bool that are true, share of documents that have one, and how many they have."""
    found, total_predicted, _ = class_counts(core, truth)
    return {
        "precision": _ratio(found.sum(), total_predicted.sum()),
        "coverage": float(core.any(axis=1).mean()),
        "core_classes_per_covered_document": _ratio(total_predicted.sum(), core.any(axis=1).sum()),
    }


def _blocks(truth: csr_array) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, truth.shape[0], BLOCK):
        rows = slice(start, min(start + BLOCK, truth.shape[0]))
        yield rows, truth[rows].toarray()


def _clean(scores: np.ndarray) -> np.ndarray:
    lowest = float(np.finfo(np.float32).min)  # finite, since -inf marks the classes that a filtered rank leaves out
    return np.nan_to_num(np.asarray(scores, dtype=np.float32), nan=lowest, neginf=lowest)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
