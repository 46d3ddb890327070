import numpy as np
import pytest

from reprise.deepfake.detector.learner import class_weights
from tests.deepfake.helpers import tiny_recipe


def test_class_weights_favour_the_rarer_class():
    spoof = np.array([True] * 9 + [False])
    natural_weight, spoof_weight = class_weights(spoof, tiny_recipe(twins=False))
    assert natural_weight == pytest.approx(5.0)
    assert spoof_weight == pytest.approx(5 / 9)
    assert class_weights(spoof, tiny_recipe(twins=True)) == (1.0, 1.0)
    assert class_weights(spoof, tiny_recipe(twins=False, balanced_classes=False)) == (1.0, 1.0)
