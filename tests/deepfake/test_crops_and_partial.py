from typing import Any

import numpy as np
import pytest
import torch

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.crops import CropMaker, fit_length, splice
from reprise.deepfake.data.partial import make_partial_spoofs
from reprise.deepfake.data.twins import find_twins, loudness_course
from reprise.deepfake.detector.augment import add_noise, augment, impulsive, limit_band, rawboost
from reprise.deepfake.detector.learner import class_weights
from reprise.deepfake.detector.scoring import CHUNK_SECONDS, chunks, score_utterance
from tests.deepfake.helpers import make_corpus, robot, speech, tiny_recipe


def crops(recipe, rows, seed=0, corpus=None):
    corpus = corpus or make_corpus(4)
    return CropMaker(corpus, recipe)(torch.tensor(rows), np.random.default_rng(seed))


def find(crop, waveform):
    """Where a crop lies in a waveform; -1: nowhere."""
    for start in range(len(waveform) - len(crop) + 1):
        if np.array_equal(waveform[start : start + 64], crop[:64]):
            return start if np.array_equal(waveform[start : start + len(crop)], crop) else -1
    return -1


def test_spoofs_come_with_their_twins_at_the_same_place():
    corpus = make_corpus(4)
    samples, labels = crops(tiny_recipe(crop_seconds=[0.5, 0.5], partial_spoofs=0), [4, 6, 7], corpus=corpus)
    assert samples.shape == (6, 8000)
    assert labels.tolist() == [1, 1, 1, 0, 0, 0]
    for place, row in enumerate([4, 6, 7]):
        start = find(samples[place].numpy(), corpus.waveform(row))
        assert start >= 0
        assert find(samples[3 + place].numpy(), corpus.waveform(row - 4)) == start


def test_a_spoof_without_a_twin_comes_with_any_natural_utterance():
    corpus = make_corpus(4)
    corpus.table["twin"] = -1
    samples, labels = crops(tiny_recipe(crop_seconds=[0.5, 0.5], partial_spoofs=1), [5, 6], corpus=corpus)
    assert labels.tolist() == [1, 1, 0, 0]
    for place in (2, 3):
        assert any(find(samples[place].numpy(), corpus.waveform(row)) >= 0 for row in range(4))


def test_without_twins_batches_are_what_they_are_told_to_be():
    recipe = tiny_recipe(twins=False, crop_seconds=[0.5, 0.5])
    samples, labels = crops(recipe, [0, 5, 2])
    assert samples.shape == (3, 8000)
    assert labels.tolist() == [0, 1, 0]
    assert CropMaker(make_corpus(4), recipe).rows().tolist() == list(range(8))
    assert CropMaker(make_corpus(4), tiny_recipe()).rows().tolist() == [4, 5, 6, 7]


def test_partial_spoofs_are_natural_but_for_a_stretch():
    recipe = tiny_recipe(crop_seconds=[0.9, 0.9], partial_spoofs=1, partial_seconds=[0.3, 0.3])
    samples, _ = crops(recipe, [4, 5, 6, 7])
    for spoof, natural in zip(samples[:4], samples[4:], strict=True):
        differs = (spoof != natural).nonzero()[:, 0]
        assert 0.25 * RATE < differs.max() - differs.min() + 1 <= 0.3 * RATE
        assert (spoof == natural).float().mean() > 0.6


def test_crops_repeat_with_the_seed_and_differ_without():
    recipe = tiny_recipe()
    first, again, other = (crops(recipe, [4, 5], seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_short_utterances_are_repeated():
    assert fit_length(np.arange(3), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert fit_length(np.arange(9), 4).tolist() == [0, 1, 2, 3]


def test_a_splice_is_faded_at_its_inner_ends():
    natural, spoof = np.zeros(1000, np.float32), np.ones(1000, np.float32)
    made = splice(natural, spoof, 200, 700)
    assert (made[:200] == 0).all()
    assert (made[700:] == 0).all()
    assert (made[360:540] == 1).all()
    assert (np.diff(made[200:360]) >= 0).all()
    assert np.abs(np.diff(made)).max() < 0.01
    assert splice(natural, spoof, 0, 1000).min() == 1


def test_class_weights_favour_the_rarer_class():
    spoof = np.array([True] * 9 + [False])
    natural_weight, spoof_weight = class_weights(spoof, tiny_recipe(twins=False))
    assert natural_weight == pytest.approx(5.0)
    assert spoof_weight == pytest.approx(5 / 9)
    assert class_weights(spoof, tiny_recipe(twins=True)) == (1.0, 1.0)
    assert class_weights(spoof, tiny_recipe(twins=False, balanced_classes=False)) == (1.0, 1.0)


def test_twins_are_found_by_length_and_course_alone():
    natural = [speech(seconds, seed) for seed, seconds in enumerate([1.5, 1.5, 2.0, 2.1])]
    copies = [robot(natural[0]), robot(natural[2])[:-60], robot(speech(1.5, 99)), robot(speech(1.8, 7))]
    spoof = np.array([False] * 4 + [True] * 4)
    every = natural + copies
    lengths = np.array([len(samples) for samples in every])
    found = find_twins([loudness_course(samples) for samples in every], lengths, spoof)
    assert found.tolist() == [-1, -1, -1, -1, 0, 2, -1, -1]


def test_partial_spoofs_of_a_corpus_know_their_stretch():
    corpus = make_corpus(6)
    partial = make_partial_spoofs(corpus, 4, (0.2, 0.4), seed=0)
    assert len(partial) == 4
    for row in range(4):
        entry, made = partial.table.iloc[row], partial.waveform(row)
        natural = corpus.waveform(int(entry["twin"]))
        differs = np.flatnonzero(np.abs(made - natural[: len(made)]) > 2e-4)
        assert entry["span_start"] <= differs.min()
        assert differs.max() < entry["span_end"]
        assert 0.2 * RATE <= entry["span_end"] - entry["span_start"] <= 0.4 * RATE
    corpus.table["twin"] = -1
    assert len(make_partial_spoofs(corpus, 4, (0.2, 0.4), seed=0)) == 0


def test_long_utterances_are_scored_in_equal_chunks():
    assert [len(chunk) for chunk in chunks(np.zeros(RATE))] == [RATE]
    lengths = [len(chunk) for chunk in chunks(np.zeros(int(2.5 * CHUNK_SECONDS * RATE)))]
    assert len(lengths) == 3
    assert max(lengths) - min(lengths) <= 1
    assert len(chunks(np.ones(10))[0]) == int(0.4 * RATE)
    samples = np.concatenate([np.full(int(CHUNK_SECONDS * RATE), value, np.float32) for value in (1.0, 3.0)])
    assert score_utterance(samples, lambda x: x.mean(1)) == pytest.approx(-2.0)


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
