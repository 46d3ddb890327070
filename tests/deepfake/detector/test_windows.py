import numpy as np
import pytest
import torch

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.pieces import LENGTHS, cut_windows, moment_centres, moments_within
from reprise.deepfake.detector.windows import describe, describe_together
from tests.deepfake.helpers import DETECTORS, speech, tiny_recipe


def test_windows_lie_around_their_moments_and_inside_the_recording():
    samples = np.arange(20_000, dtype=np.float32)
    centres = moment_centres(len(samples))
    assert centres.tolist() == list(range(800, 20_000, 1600))
    windows = cut_windows(samples, 0.4)
    assert windows.shape == (12, 6400)
    assert windows[5][0] == centres[5] - 3200
    assert windows[0][0] == 0
    assert windows[-1][-1] == 19_999
    assert cut_windows(samples[:3000], 0.4).shape[1] == 6400


@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.5, 1.3])
def test_a_moments_description_is_what_the_detector_says_of_its_windows(seconds):
    detector = Detector(tiny_recipe()).eval()
    samples = speech(seconds, 0)
    described = describe(samples, detector)
    assert described.shape == (len(moment_centres(len(samples))), len(LENGTHS), 33)
    window = cut_windows(samples, LENGTHS[0])[0]
    with torch.no_grad():
        output = detector(torch.from_numpy(window)[None])
    assert np.allclose(described[0, 0, :-1], output.vectors[0].numpy(), atol=1e-3)
    assert described[0, 0, -1] == pytest.approx(float(output.logits[0]), abs=1e-3)


def test_what_happens_far_away_does_not_move_a_moment():
    detector = Detector(tiny_recipe()).eval()
    samples = speech(3, 0)
    other = samples.copy()
    other[-RATE:] = speech(1, 9)
    first, second = describe(samples, detector), describe(other, detector)
    assert np.allclose(first[:14], second[:14], atol=1e-4)
    assert not np.allclose(first[-3:], second[-3:], atol=1e-2)


def test_a_moment_is_within_a_stretch_where_its_centre_is():
    within = moments_within([(800, 4000), (7200, 7201)], 16_000)  # centres 800, 2400, 4000, ...
    assert np.flatnonzero(within).tolist() == [0, 1, 4]
    assert len(within) == len(moment_centres(16_000))
    assert not moments_within([], 16_000).any()


@pytest.mark.parametrize("front_end", DETECTORS)
def test_recordings_described_together_are_described_as_alone(front_end, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    detector = Detector(tiny_recipe(front_end, **DETECTORS[front_end])).eval()
    recordings = [speech(seconds, number) for number, seconds in enumerate((1.3, 0.25, 2.0, 0.7))]
    together = describe_together(recordings, detector)
    assert len(together) == len(recordings)
    for samples, found in zip(recordings, together, strict=True):
        assert np.allclose(found, describe(samples, detector), atol=1e-4)
