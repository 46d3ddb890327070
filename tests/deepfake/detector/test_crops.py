import numpy as np
import pytest
import torch

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.copies import Copies
from reprise.deepfake.detector.crops import CropMaker
from tests.deepfake.helpers import make_corpus, tiny_recipe


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


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_channel_copies_take_the_place_of_their_share_of_utterances(share):
    corpus = make_corpus(4)  # the copies hold their number
    copies = Copies([[corpus.waveform(row), *(np.full(RATE, n, np.float32) for n in (1, 2))] for row in range(8)], [])
    maker = CropMaker(corpus, tiny_recipe(partial_spoofs=0, resynthesis_share=0, channel_share=share), [copies])
    samples, _ = maker(torch.tensor([4, 5, 6, 7] * 100), np.random.default_rng(0))
    counts = [int((samples == number).all(1).sum()) for number in (1, 2)]
    assert sum(counts) == pytest.approx(share * 800, abs=4 * (share * (1 - share) * 800) ** 0.5)
    assert counts[0] == pytest.approx(counts[1], abs=4 * sum(counts) ** 0.5)


def test_a_spoof_and_its_twin_have_one_speed():
    corpus = make_corpus(4)  # forms hold ten times the number of their speed, and 1 more where they are spoofs
    copies = [
        Copies([[np.full(RATE, 10 * speed + spoof, np.float32)] for spoof in corpus.spoof], []) for speed in range(3)
    ]
    maker = CropMaker(corpus, tiny_recipe(partial_spoofs=0, resynthesis_share=0), copies)
    spoofs, naturals = maker(torch.tensor([4, 5, 6, 7] * 60), np.random.default_rng(0))[0][:, 0].view(2, -1)
    assert torch.equal(spoofs, naturals + 1)
    assert ((naturals == 10 * torch.arange(3)[:, None]).float().mean(1) - 1 / 3).abs().max() < 0.12


def test_a_small_corpus_is_passed_more_than_once_an_epoch():
    corpus = make_corpus(5)  # five spoofs: two batches of three
    assert [CropMaker(corpus, tiny_recipe(batch_size=3, least_batches=least)).batches() for least in (0, 2, 7)] == [
        2,
        2,
        7,
    ]


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
