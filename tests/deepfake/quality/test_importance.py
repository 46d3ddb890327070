import numpy as np

from reprise.deepfake.detector.model import Detector
from reprise.deepfake.explainer.curve import FRAME
from reprise.deepfake.quality.importance import frame_means, gradient_importance
from tests.deepfake.helpers import speech, tiny_recipe


def test_baselines_by_their_definitions():
    samples = np.repeat(np.arange(5, dtype=np.float32), FRAME)
    assert frame_means(samples).tolist() == [0, 1, 2, 3, 4]
    importance = gradient_importance(speech(0.6, 0), Detector(tiny_recipe()).eval(), "cpu")
    assert importance.shape == (30,)
    assert (importance >= 0).all()
    assert importance.max() > 0


def test_gradients_reach_every_chunk_of_a_long_recording():
    importance = gradient_importance(speech(33.0, 0), Detector(tiny_recipe()).eval(), "cpu")
    assert importance.shape == (1650,)
    assert (importance.reshape(33, 50).max(axis=1) > 0).all()
