import numpy as np
import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model
from reprise.deepfake.detector import baseline as module
from reprise.deepfake.detector.baseline import (
    FLOOR,
    KEPT,
    STATISTICS,
    Baseline,
    PooledStatistics,
    load_baseline,
    save_baseline,
)
from reprise.deepfake.detector.features import HOP, WINDOW
from tests.deepfake.helpers import speech


@pytest.fixture
def stored(tmp_path, monkeypatch):
    path = tmp_path / "baseline.safetensors"
    monkeypatch.setattr(module, "BASELINE", path)
    torch.manual_seed(0)
    baseline = Baseline(3)
    baseline.vectors = torch.randn(3, STATISTICS)
    baseline.weights = torch.randn(3)
    save_baseline(baseline, 3.0, 1, 2)
    return path, baseline


def test_statistics_of_bins_are_those_of_a_plain_spectrogram():
    samples = speech(1.0, 0).astype(np.float64)
    scaled = samples * 0.06 / np.sqrt(np.mean(samples**2))
    padded = np.pad(scaled, 256)
    frames = np.stack([padded[start : start + 512] for start in range(0, len(scaled) + 1, HOP)])
    window = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW), (512 - WINDOW) // 2)
    bins = np.log(np.maximum(np.abs(np.fft.rfft(frames * window)) ** 2, FLOOR))[:, :KEPT]
    bins -= bins.mean(0)
    spread = bins.std(0, ddof=1)
    expected = [
        spread,
        np.abs(np.diff(bins, axis=0)).mean(0),
        (bins**3).mean(0) / spread**3,
        np.quantile(bins, 0.05, 0),
    ]
    found = PooledStatistics()(torch.from_numpy(samples.astype(np.float32))[None])[0].numpy()
    assert found.shape == (STATISTICS,)
    np.testing.assert_allclose(found[-4 * KEPT :], np.concatenate(expected), rtol=2e-3, atol=2e-3)


def test_loudness_changes_no_statistic():
    samples = torch.from_numpy(speech(1.0, 0))[None]
    pooled = PooledStatistics()
    torch.testing.assert_close(pooled(samples), pooled(0.01 * samples), rtol=1e-3, atol=1e-3)


def test_a_stored_baseline_scores_as_before(stored):
    path, baseline = stored
    samples = speech(0.7, 1)
    assert load_baseline(path).score(samples) == baseline.score(samples)


def test_faults_of_the_file_are_one_line(stored, tmp_path):
    path, _ = stored
    with pytest.raises(InputError, match="no such file"):
        load_baseline(tmp_path / "none.safetensors")
    tensors, metadata = load_model(path)
    save_model(path, {**tensors, "vectors": tensors["vectors"][:2]}, metadata)
    with pytest.raises(InputError, match=r"vectors: shape \(2, \d+\), the model has \(3, \d+\)"):
        load_baseline(path)
    save_model(path, {name: value for name, value in tensors.items() if name != "weights"}, metadata)
    with pytest.raises(InputError, match="no weights of support vectors"):
        load_baseline(path)
    save_model(path, tensors, {**metadata, "task": "deepfake-detector"})
    with pytest.raises(InputError, match="task"):
        load_baseline(path)
