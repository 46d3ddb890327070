import numpy as np
import pyroomacoustics
import pytest
from scipy import signal

from reprise.deepfake.detector import channel
from reprise.deepfake.detector.channel import CHANNELS, align, coloured_noise, room_response

RATE = 16_000


@pytest.fixture
def speech() -> np.ndarray:
    """Bursts of harmonics between pauses, with a little noise."""
    times = np.arange(RATE) / RATE
    harmonics = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 30))
    gate = (np.sin(2 * np.pi * 3 * times) > 0).astype(float)
    return (0.05 * harmonics * gate + 0.001 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


@pytest.mark.parametrize("name", CHANNELS)
def test_channel_keeps_the_length_and_repeats(name: str, speech: np.ndarray) -> None:
    out = CHANNELS[name](speech, np.random.default_rng(1))
    assert out.dtype == np.float32
    assert out.shape == speech.shape
    np.testing.assert_array_equal(out, CHANNELS[name](speech, np.random.default_rng(1)))
    assert not np.allclose(out, speech, atol=1e-6)


@pytest.mark.parametrize("name", sorted(CHANNELS.keys() - {"room"}))
def test_channel_keeps_the_timing(name: str, speech: np.ndarray) -> None:
    out = CHANNELS[name](speech, np.random.default_rng(1))
    courses = [np.sqrt(np.mean(np.square(wave.reshape(-1, 160)), 1)) for wave in (speech, out)]
    lags = signal.correlate(courses[1] - courses[1].mean(), courses[0] - courses[0].mean())
    assert abs(int(lags.argmax()) - (len(courses[0]) - 1)) <= 1  # of 10 ms


@pytest.mark.parametrize("seed", range(8))
def test_a_room_adds_echoes_after_the_direct_sound(seed: int) -> None:
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.5
    heard = CHANNELS["room"](click, np.random.default_rng(seed))
    assert np.abs(heard[:1000]).max() < 1e-6
    assert heard[1000] == pytest.approx(0.5, abs=1e-6)
    response = room_response(np.random.default_rng(seed))
    np.testing.assert_allclose(heard[1000 : 1000 + len(response)], 0.5 * response[:15_000], atol=1e-6)
    remaining = 10 * np.log10(np.cumsum(np.square(response[::-1]))[::-1] / np.square(response).sum())  # Schroeder, 1965
    assert 0.01 < (remaining > -40).sum() / RATE < 0.8


def test_echoes_come_when_their_paths_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a room of known measures, against distances to the first mirror images by hand."""
    monkeypatch.setattr(channel, "ROOM_SIZES", ((6.0, 5.0, 4.0), (6.0, 5.0, 4.0)))
    monkeypatch.setattr(channel, "MOST_REFLECTIONS", 1)
    places = []
    for name in ("add_source", "add_microphone"):
        original = getattr(pyroomacoustics.ShoeBox, name)

        def watched(room, place, original=original):
            places.append(np.array(place))
            return original(room, place)

        monkeypatch.setattr(pyroomacoustics.ShoeBox, name, watched)
    response = room_response(np.random.default_rng(0))
    speaker, microphone = places
    direct = np.linalg.norm(speaker - microphone)
    expected = np.zeros(len(response))
    for axis, length in enumerate((6.0, 5.0, 4.0)):
        for wall in (0.0, length):
            image = speaker.copy()
            image[axis] = 2 * wall - speaker[axis]
            path = np.linalg.norm(image - microphone)
            expected[round((path - direct) / 343 * RATE)] += 1 / path
    window = np.hanning(9)
    found, wanted = (np.convolve(np.abs(each), window)[20:] for each in (response, expected))
    assert np.corrcoef(found, wanted)[0, 1] > 0.95


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
