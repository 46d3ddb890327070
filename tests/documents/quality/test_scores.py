import numpy as np
import pytest
from sklearn.metrics import f1_score

from reprise.documents.data.tables import Classes
from reprise.documents.quality.scores import list_items, macro_f1_interval, scores


def test_scores_are_scikit_learns():
    generator = np.random.default_rng(0)
    targets, predicted = generator.integers(0, 4, 200), generator.integers(0, 4, 200)
    result = scores(predicted, targets, Classes(("0", "1", "2", "3"), ("a", "b", "c", "d")), np.arange(200), 0)
    assert result["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    hits = ((predicted == 1) & (targets == 1)).sum()
    assert result["per_class"]["b"]["precision"] == pytest.approx(hits / (predicted == 1).sum())
    assert result["per_class"]["b"]["recall"] == pytest.approx(hits / (targets == 1).sum())
    assert result["per_class"]["b"]["support"] == (targets == 1).sum()
    assert result["accuracy"] == (targets == predicted).mean()
    low, high = result["macro_f1_ci95"]
    assert low < result["macro_f1"] < high


def test_the_interval_is_that_of_drawing_groups_of_pages():
    generator = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), generator.integers(1, 6, 20))
    targets = generator.integers(0, 3, 20)[groups]
    predicted = np.where(generator.random(20) < 0.6, targets[np.unique(groups, return_index=True)[1]], 1)[groups]
    found = []
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in generator.integers(0, 20, 20)])
        found.append(f1_score(targets[rows], predicted[rows], average="macro", zero_division=0))
    interval = macro_f1_interval(predicted, targets, groups, 0)
    assert interval == pytest.approx(np.quantile(found, [0.025, 0.975]), abs=0.03)
    assert macro_f1_interval(predicted, targets, groups, 0) == interval
    low, high = macro_f1_interval(predicted, targets, np.arange(len(groups)), 0)
    assert high - low < interval[1] - interval[0]  # as if near-duplicates told something new


def test_two_groups_by_hand():
    """One group right, one wrong: macro-F1 of the draws is 1, 0, or that of both."""
    targets, predicted = np.array([0, 0, 1]), np.array([0, 0, 2])
    assert macro_f1_interval(predicted, targets, np.array([5, 5, 9]), 0) == [0.0, 1.0]
    assert macro_f1_interval(predicted, targets, np.zeros(3), 0) == [0.3333, 0.3333]  # F1 1, 0 and 0


def test_pages_are_listed_by_name_and_hold_no_formula():
    items = list_items(["=1", "b"], Classes(("0", "1"), ("letter", "+x")), label=[0, 1], predicted=np.array([1, 1]))
    assert items.to_dict("list") == {"ID": ["'=1", "b"], "label": ["letter", "'+x"], "predicted": ["'+x", "'+x"]}
    assert list_items([], Classes(("0",), ("a",)), label=[], predicted=[]).to_csv(index=False) == "ID,label,predicted\n"
