from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from reprise.documents.data.tables import Classes
from reprise.documents.network.out_of_fold import OutOfFold
from reprise.documents.quality.suspects import confident_thresholds, find_suspects, list_suspects


def test_thresholds_are_the_mean_confidence_of_each_label():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.2, 0.8, 0.0]])
    assert confident_thresholds(probabilities, np.array([0, 0, 1])).tolist() == pytest.approx([0.8, 0.8, np.inf])


def test_flipped_labels_are_found_and_unsure_ones_are_not():
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 4, 400)
    logits = generator.normal(size=(400, 4)) + 5 * np.eye(4)[targets]
    probabilities = softmax(logits, axis=1)
    given = targets.copy()
    flipped = generator.choice(400, 20, replace=False)
    given[flipped] = (given[flipped] + 1) % 4
    found = find_suspects(probabilities, given)
    assert len(set(found["row"]) & set(flipped)) >= 15
    assert len(set(found["row"]) - set(flipped)) <= 4
    gaps = found["probability"] - found["label_probability"]
    assert (gaps.diff().dropna() <= 1e-12).all()
    assert (found["predicted"] != found["target"]).all()
    unsure = np.full((2, 4), 0.25) + np.eye(4)[:2] * 0.01
    rows = find_suspects(np.concatenate([probabilities, unsure]), np.concatenate([given, [2, 3]]))["row"]
    assert rows.tolist() == found["row"].tolist()


def test_settled_pages_are_no_suspects():
    targets, folds = np.array([0, 1, 0, 1] * 5), np.arange(20) % 2
    logits = 4.0 * np.eye(2)[targets]
    logits[[3, 6]] = logits[[3, 6], ::-1]
    out_of_fold = cast(OutOfFold, SimpleNamespace(logits=logits, targets=targets, folds=folds))
    names = [f"caf\u00e9{row}.jpg" for row in range(20)]
    table = pd.DataFrame({"id": names, "file": names, "fold": folds})
    classes = Classes(("0", "1"), ("invoice", "letter"))
    assert list_suspects(out_of_fold, table, classes).index.tolist() == [3, 6]
    assert list_suspects(out_of_fold, table, classes, {names[3]}).index.tolist() == [6]
    assert list_suspects(out_of_fold, table, classes, {names[3], names[6]}).empty
