import numpy as np
import pytest
from scipy import signal

from reprise.deepfake.detector.channel import CHANNELS, align, coloured_noise

RATE = 16_000


@pytest.fixture
def speech() -> np.ndarray:
    """Bursts of harmonics between pauses, with a little noise."""
    times = np.arange(RATE) / RATE
    harmonics = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 30))
    gate = (np.sin(2 * np.pi * 3 * times) > 0).astype(float)
    return (0.05 * harmonics * gate + 0.001 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


@pytest.mark.parametrize("name", CHANNELS)
def test_channel_keeps_length_timing_and_repeats(name: str, speech: np.ndarray) -> None:
    out = CHANNELS[name](speech, np.random.default_rng(1))
    assert out.dtype == np.float32
    assert out.shape == speech.shape
    np.testing.assert_array_equal(out, CHANNELS[name](speech, np.random.default_rng(1)))
    courses = [np.sqrt(np.mean(np.square(wave.reshape(-1, 160)), 1)) for wave in (speech, out)]
    lags = signal.correlate(courses[1] - courses[1].mean(), courses[0] - courses[0].mean())
    assert abs(int(lags.argmax()) - (len(courses[0]) - 1)) <= 1  # of 10 ms
    assert not np.allclose(out, speech, atol=1e-6)


def test_align_undoes_a_delay(speech: np.ndarray) -> None:
    np.testing.assert_allclose(align(np.pad(speech, (357, 0)), speech), speech)
    np.testing.assert_allclose(align(speech[100:], speech)[100:], speech[100:])


@pytest.mark.parametrize("name", ["mu_law", "a_law", "gsm"])
def test_telephone_keeps_nothing_above_its_band(name: str, speech: np.ndarray) -> None:
    spectrum = np.abs(np.fft.rfft(CHANNELS[name](speech, np.random.default_rng(0)))) ** 2
    assert spectrum[4200:].sum() < 1e-3 * spectrum.sum()


def test_denoiser_lowers_pauses_more_than_speech(speech: np.ndarray) -> None:
    out = CHANNELS["denoise"](speech, np.random.default_rng(0))
    pause, voice = slice(3000, 5000), slice(500, 2000)
    fall = [np.mean(out[part] ** 2) / np.mean(speech[part] ** 2) for part in (pause, voice)]
    assert fall[0] < 0.5 < fall[1]


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_has_its_colour(slope: float) -> None:
    frequencies, power = signal.welch(coloured_noise(200_000, slope, np.random.default_rng(0)), RATE)
    chosen = (frequencies > 200) & (frequencies < 6000)
    fitted = np.polyfit(np.log(frequencies[chosen]), np.log(power[chosen]), 1)[0]
    assert fitted == pytest.approx(-slope, abs=0.1)
