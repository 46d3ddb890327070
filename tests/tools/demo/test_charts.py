"""Charts and HTML: nothing of the recording is lost, and every text is escaped."""

import numpy as np
import pytest

from reprise.deepfake.data.audio import RATE
from reprise.tools.demo.charts import COLUMNS, POINTS, ROWS, envelope, means, recording_chart, spectrogram


def test_no_peak_is_lost_in_a_long_recording():
    samples = np.zeros(50_000, np.float32)
    samples[[12_345, 40_000]] = 1, -1
    times, low, high = envelope(samples)
    assert len(times) == len(low) == len(high) == POINTS
    assert (high.max(), low.min()) == (1, -1)
    assert times[high.argmax()] == pytest.approx(12_345 / RATE, abs=50_000 / POINTS / RATE)
    assert len(envelope(samples[:3])[0]) == 3


def test_a_tone_is_where_it_belongs():
    samples = np.sin(2 * np.pi * 2000 * np.arange(20 * RATE) / RATE).astype(np.float32)
    times, frequencies, levels = spectrogram(samples)
    assert levels.shape == (len(frequencies), len(times)) == (ROWS, COLUMNS)
    assert frequencies[levels.mean(1).argmax()] == pytest.approx(2, abs=0.1)
    assert (levels.min(), levels.max()) == (-80, 0)
    assert spectrogram(np.zeros(3, np.float32))[2].max() == -80


def test_means_are_of_equal_parts():
    assert means(np.arange(6.0), 3).tolist() == [0.5, 2.5, 4.5]
    assert means(np.arange(4.0), 9).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("seconds", [0.05, 2, 90])
def test_a_chart_of_any_length_is_small(seconds):
    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
    chart = recording_chart(samples, np.linspace(0, 1, max(1, int(seconds * 50))), [{"seconds": 0.02, "importance": 1}])
    assert len(chart.to_json()) < 400_000
    assert len(chart.layout.shapes) == 1
    assert chart.layout.xaxis.range == (0, len(samples) / RATE)
