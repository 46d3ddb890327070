import numpy as np
import pytest
import torch

from reprise.deepfake.detector.resynthesis import mel_projection, mirror, resynthesise
from tests.deepfake.helpers import speech


@pytest.mark.parametrize("seed", range(6))
def test_resynthesis_keeps_length_loudness_and_course_but_not_the_wave(seed):
    natural = speech(1.0, 3)
    made = resynthesise(natural, np.random.default_rng(seed))
    assert made.dtype == np.float32
    assert made.shape == natural.shape
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(natural**2)), rel=1e-3)
    courses = [np.log(np.square(wave.reshape(-1, 400)).mean(1)) for wave in (natural, made)]
    assert np.corrcoef(*courses)[0, 1] > 0.9
    assert np.abs(made - natural).max() > 1e-3
    np.testing.assert_array_equal(made, resynthesise(natural, np.random.default_rng(seed)))


def test_projection_keeps_what_lies_on_the_filters():
    projection = mel_projection(257, 40)
    torch.testing.assert_close(projection @ projection, projection, atol=1e-3, rtol=0)


def test_mirror_reflects_the_spectrum_about_a_quarter_of_the_rate():
    times = np.arange(16_000) / 16_000
    spectrum = np.abs(np.fft.rfft(mirror(np.sin(2 * np.pi * 1000 * times), 0.25)))
    assert spectrum[7000] / spectrum[1000] == pytest.approx(0.25, rel=1e-3)
