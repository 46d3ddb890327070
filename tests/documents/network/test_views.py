import numpy as np
import torch
from scipy.special import softmax

from reprise.documents.network.views import VIEWS, average_views, turn, turn_each

SIDE = 24


def noise(count=4, size=SIDE, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_the_eight_views_are_numpys_exact_turns_and_flips():
    images = noise(1)
    for view in range(8):
        page = images[0].permute(1, 2, 0).numpy()
        expected = np.rot90(page[:, ::-1] if view >= 4 else page, view % 4)
        assert np.array_equal(turn(images, view)[0].permute(1, 2, 0).numpy(), expected)
    assert len({turn(images, view).numpy().tobytes() for view in range(8)}) == 8


def test_the_views_of_a_page_are_those_of_any_of_its_views():
    """Whichever way a page lies, the search sees the same eight pictures."""
    images = noise(1)
    every = {turn(images, view).numpy().tobytes() for view in VIEWS["turns_and_flips"]}
    for lies in range(8):
        seen = turn(images, lies)
        assert {turn(seen, view).numpy().tobytes() for view in VIEWS["turns_and_flips"]} == every


def test_flips_are_mirrorings():
    images = noise(1)
    expected = [images, images.flip(-1), images.flip(-1, -2), images.flip(-2)]
    for view, mirrored in zip(VIEWS["flips"], expected, strict=True):
        assert torch.equal(turn(images, view), mirrored)


def test_each_image_is_turned_by_its_own_view():
    images, views = noise(8), torch.arange(8).flip(0)
    expected = torch.cat([turn(images[i : i + 1], int(views[i])) for i in range(8)])
    assert torch.equal(turn_each(images, views), expected)


def test_views_weigh_by_the_odds_that_they_are_upright():
    logits = np.random.default_rng(0).normal(size=(8, 5, 4)) * 3
    expected = np.zeros((5, 3))
    for page in range(5):
        odds = np.zeros(8)
        for view in range(8):
            exponents = np.exp(logits[view, page] / 1.7)
            odds[view] = exponents[:3].sum() / exponents[3]
            expected[page] += odds[view] * exponents[:3] / exponents[:3].sum()
        expected[page] /= odds.sum()
    assert np.allclose(average_views(logits, 3, 1.7), expected)
    plain = average_views(logits, 4, 1.7)
    assert np.allclose(plain, softmax(logits / 1.7, axis=-1).mean(0))


def test_one_certain_view_outweighs_seven_that_know_they_are_not_upright():
    logits = np.zeros((8, 1, 3))
    logits[:, 0] = [2.0, 0.0, 9.0]  # sure that they are not upright, else for class 0
    logits[3, 0] = [0.0, 5.0, 0.0]
    assert average_views(logits, 2)[0, 1] > 0.95
