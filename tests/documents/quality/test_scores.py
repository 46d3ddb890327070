import numpy as np
import pytest
from sklearn.metrics import f1_score

from reprise.documents.data.tables import Classes
from reprise.documents.quality.scores import scores


def test_scores_are_scikit_learns():
    generator = np.random.default_rng(0)
    targets, predicted = generator.integers(0, 4, 200), generator.integers(0, 4, 200)
    result = scores(predicted, targets, Classes(("0", "1", "2", "3"), ("a", "b", "c", "d")))
    assert result["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    hits = ((predicted == 1) & (targets == 1)).sum()
    assert result["per_class"]["b"]["precision"] == pytest.approx(hits / (predicted == 1).sum())
    assert result["per_class"]["b"]["recall"] == pytest.approx(hits / (targets == 1).sum())
    assert result["per_class"]["b"]["support"] == (targets == 1).sum()
    assert result["accuracy"] == (targets == predicted).mean()
