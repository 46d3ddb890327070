import logging

import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.deepfake.data.preparation import Doubles
from reprise.deepfake.data.protocols import Trial

SAMPLES = np.arange(100, dtype=np.int16)


def trial(name: str, spoof: bool) -> Trial:
    return Trial(speaker="s", utterance=name, attack="A01" if spoof else "-", spoof=spoof, where=f"{name}.txt:1")


def test_a_synthesis_that_two_splits_share_is_counted_and_named(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("reprise"), "propagate", True)
    doubles = Doubles()
    doubles.add_samples("train", trial("a", True), SAMPLES)
    doubles.add_samples("train", trial("b", True), SAMPLES + 1)
    doubles.add_samples("dev", trial("c", True), SAMPLES)
    assert doubles.repeated == {"dev": 1}
    assert "c.txt:1: 'c' holds the samples of 'a' in train" in caplog.text


@pytest.mark.parametrize(("split", "spoof"), [("dev", False), ("train", True), ("dev", True)])
def test_natural_speech_in_another_split_or_under_the_other_label_is_refused(split, spoof):
    doubles = Doubles()
    doubles.add_samples("train", trial("a", False), SAMPLES)
    with pytest.raises(InputError, match=r"^b\.txt:1: 'b' holds the samples of 'a', bonafide in train \(a\.txt:1\)$"):
        doubles.add_samples(split, trial("b", spoof), SAMPLES)
