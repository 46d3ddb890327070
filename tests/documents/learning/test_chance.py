import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.documents.learning.chance import refuse_chance


@pytest.mark.parametrize(
    "predicted",
    [np.zeros(100, np.int64), np.tile([0, 1, 2, 3, 4], 20)],
    ids=["one class for all", "classes in turn"],
)
def test_a_fold_at_chance_is_refused(predicted):
    targets = np.repeat([0, 1, 2, 3, 4], 20)
    with pytest.raises(InputError, match=r"fold 3 ended at chance: 20 of 100 pages right, 20.0 expected by luck"):
        refuse_chance(3, predicted, targets)
    better = predicted.copy()
    better[:90:2] = targets[:90:2]
    refuse_chance(3, better, targets)


def test_one_class_for_all_is_chance_however_uneven_the_classes():
    targets = np.repeat([0, 1], [90, 10])
    with pytest.raises(InputError, match="ended at chance"):
        refuse_chance(0, np.zeros(100, np.int64), targets)
