import numpy as np
import pytest

from reprise.deepfake.detector.learner import Learner, class_weights
from reprise.deepfake.detector.model import Detector
from tests.deepfake.helpers import DETECTORS, make_corpus, tiny_recipe


def test_class_weights_favour_the_rarer_class():
    spoof = np.array([True] * 9 + [False])
    natural_weight, spoof_weight = class_weights(spoof, tiny_recipe(twins=False))
    assert natural_weight == pytest.approx(5.0)
    assert spoof_weight == pytest.approx(5 / 9)
    assert class_weights(spoof, tiny_recipe(twins=True)) == (1.0, 1.0)
    assert class_weights(spoof, tiny_recipe(twins=False, balanced_classes=False)) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "kept_out"), [({}, True), ({"ssl_trained": True}, False), ({"ema_decay": 0.9}, False)]
)
def test_checkpoints_hold_a_frozen_encoder_only_where_a_moving_average_needs_it(changes, kept_out):
    recipe = tiny_recipe(**DETECTORS["whisper"] | {"front_end": "whisper"} | changes)
    corpus = make_corpus(2)
    learner = Learner(Detector(recipe), recipe, corpus, corpus, 0)
    whole = learner.state_dict()
    checkpoint = {"state_dict": dict(whole)}
    learner.on_save_checkpoint(checkpoint)
    missing = whole.keys() - checkpoint["state_dict"].keys()
    assert missing == ({name for name in whole if ".encoder." in name} if kept_out else set())
    learner.on_load_checkpoint(checkpoint)
    assert checkpoint["state_dict"].keys() == whole.keys()
    learner.load_state_dict(checkpoint["state_dict"])
