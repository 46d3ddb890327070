from typing import Any

import numpy as np
import pytest

from reprise.deepfake.detector.augment import add_noise, augment, impulsive, limit_band, rawboost
from tests.deepfake.helpers import speech, tiny_recipe


@pytest.mark.parametrize("key", ["rawboost", "band_limit", "noise", "gain"])
def test_every_augmentation_changes_samples_and_repeats_with_the_seed(key):
    samples = speech(1, 0)
    changes: dict[str, Any] = {key: 6.0 if key == "gain" else 1.0}
    recipe = tiny_recipe(**changes)
    first, again, other = (augment(samples, recipe, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, samples, atol=1e-4)
    assert not np.allclose(first, other, atol=1e-5)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.array_equal(augment(samples, tiny_recipe(), np.random.default_rng(0)), samples)


def test_augmentations_do_what_they_say():
    samples = speech(1, 0)
    spectrum = np.abs(np.fft.rfft(limit_band(samples, 4000.0)))
    assert spectrum[5000:].mean() < 0.02 * spectrum[:3500].mean()
    noisy = add_noise(samples, 20.0, np.random.default_rng(0))
    ratio = np.mean(samples**2) / np.mean((noisy - samples) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(20, abs=0.01)
    changed = impulsive(samples.astype(float), np.random.default_rng(0)) != samples
    assert 0 < changed.mean() <= 0.1
    assert np.abs(rawboost(samples.astype(float), np.random.default_rng(0))).max() < 10 * np.abs(samples).max()
