import itertools
import logging

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


def share_of_guesses_all_right(targets):
    """Of all ways to deal out labels, each drawn from the targets, the share that names every page's class."""
    guesses = list(itertools.product(targets.tolist(), repeat=len(targets)))
    return guesses.count(tuple(targets.tolist())) / len(guesses)


@pytest.mark.parametrize(
    "targets",
    [[0], [0, 1], [0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 1, 2], [1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 1]],
    ids=str,
)
def test_a_fold_that_cannot_tell_is_a_warning_and_a_perfect_network_is_never_refused(targets, caplog):
    targets = np.array(targets)
    tells = share_of_guesses_all_right(targets) <= 0.05
    with caplog.at_level(logging.WARNING, "reprise"):
        refuse_chance(2, targets, targets)
    line = f"fold 2: whether it ended at chance cannot be told: even all {len(targets)} pages right could be luck"
    assert caplog.messages == ([] if tells else [line])
    wrong = (targets + 1) % 3
    if tells:
        with pytest.raises(InputError, match="ended at chance: 0 of"):
            refuse_chance(2, wrong, targets)
    else:
        refuse_chance(2, wrong, targets)


def test_a_long_fold_of_one_class_cannot_tell_either(caplog):
    targets = np.full(100, 1)
    refuse_chance(0, targets, targets)
    assert "even all 100 pages right could be luck" in caplog.text
