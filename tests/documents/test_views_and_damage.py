"""Exact turns, damage by its definition, and augmentation that differs where it should."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as VF

from reprise.documents.network import damage
from reprise.documents.network.augment import Augmentation, to_float, upright
from reprise.documents.network.views import VIEWS, average_views, turn, turn_each
from reprise.documents.quality.corruptions import ALL, KINDS, corrupt_block
from tests.documents.helpers import draw_page, tiny_recipe

SIDE = 24


def noise(count=4, size=SIDE, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def pages(count=6, size=36):
    return torch.from_numpy(np.stack([np.asarray(draw_page("bars", number, size)) for number in range(count)]))


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
    logits = torch.randn(8, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    expected = np.zeros((5, 3))
    for page in range(5):
        odds = np.zeros(8)
        for view in range(8):
            exponents = np.exp(logits[view, page].numpy() / 1.7)
            odds[view] = exponents[:3].sum() / exponents[3]
            expected[page] += odds[view] * exponents[:3] / exponents[:3].sum()
        expected[page] /= odds.sum()
    assert np.allclose(average_views(logits, 3, 1.7), expected)
    plain = average_views(logits, 4, 1.7)
    assert torch.allclose(plain, (logits / 1.7).softmax(-1).mean(0))


def test_one_certain_view_outweighs_seven_that_know_they_are_not_upright():
    logits = torch.zeros(8, 1, 3)
    logits[:, 0] = torch.tensor([2.0, 0.0, 9.0])  # sure that they are not upright, else for class 0
    logits[3, 0] = torch.tensor([0.0, 5.0, 0.0])
    assert average_views(logits, 2)[0, 1] > 0.95


@pytest.mark.parametrize(("turns", "expected"), [(90.0, 3), (180.0, 2), (-90.0, 1)])
def test_a_rotation_by_a_quarter_is_the_exact_turn(turns, expected):
    images = noise()
    assert torch.allclose(damage.rotate(images, torch.full((4,), turns)), images.rot90(expected, (-2, -1)), atol=1e-4)


def test_each_image_is_rotated_by_its_own_angle_onto_white():
    images, angles = torch.zeros(3, 3, 33, 33), torch.tensor([-10.0, 0.0, 15.0])
    rotated = damage.rotate(images, angles)
    for image, angle in zip(rotated, angles.tolist(), strict=True):
        expected = VF.rotate(torch.zeros(1, 33, 33), -angle, VF.InterpolationMode.BILINEAR, fill=[1.0])
        assert (image[0] - expected[0]).abs().mean() < 0.02
        assert image[:, 0, 0].mean() == pytest.approx(1.0 if angle else 0.0, abs=1e-4)


def test_a_warp_without_change_is_the_identity_and_its_parts_do_what_they_say():
    images, one, zero = noise(), torch.ones(4), torch.zeros(4)
    still = damage.warp(images, SIDE, zero, one, one, torch.zeros(4, 2))
    assert torch.allclose(still, images, atol=1e-5)
    shifted = damage.warp(images, SIDE, zero, one, one, torch.tensor([[0.25, 0.0]]).expand(4, 2))
    assert torch.allclose(shifted[..., 6:], images[..., :-6], atol=1e-4)  # a quarter of the side, to the right
    assert (shifted[..., :5] == 1).all()
    smaller = damage.warp(torch.zeros(4, 3, SIDE, SIDE), SIDE, zero, one * 0.5, one, torch.zeros(4, 2))
    assert smaller[0, 0, 0, 0] == 1
    assert (smaller[0, 0] < 0.5).float().mean().item() == pytest.approx(0.25, abs=0.02)
    wide = damage.warp(torch.zeros(4, 3, SIDE, SIDE), SIDE, zero, one * 0.5, one * 2.0, torch.zeros(4, 2))[0, 0] < 0.5
    assert wide.any(0).sum() / wide.any(1).sum() == pytest.approx(2.0, rel=0.15)  # width over height
    near = damage.warp(images, SIDE, zero, one, one, torch.zeros(4, 2), torch.full((4, 2), 0.05))
    assert not torch.allclose(near, images, atol=1e-2)


def test_blur_is_torchvisions_at_the_rounded_sigma():
    images = noise(8, 64)
    sigma = torch.full((8,), 0.02)
    expected = VF.gaussian_blur(images, [7, 7], [0.02 * 64] * 2)
    assert torch.allclose(damage.blur(images, sigma), expected, atol=1e-3)
    spread = damage.blur(images, torch.linspace(0.002, 0.05, 8)).var((1, 2, 3))
    assert spread[0] > spread[-1] * 3


def test_contrast_brightness_noise_and_jpeg():
    images = noise(4, 64) * 0.2 + 0.4
    half = damage.change_contrast(images, torch.full((4,), 0.5))
    assert torch.allclose(half.std((1, 2, 3)), images.std((1, 2, 3)) / 2, rtol=1e-4)
    assert torch.allclose(half.mean((1, 2, 3)), images.mean((1, 2, 3)), rtol=1e-4)
    assert torch.allclose(damage.change_brightness(images, torch.full((4,), 0.5)), images / 2)
    grey = torch.full((2, 3, 256, 256), 0.5)
    noisy = damage.add_noise(grey, torch.tensor([0.02, 0.1]), torch.Generator().manual_seed(0))
    assert noisy.std((1, 2, 3)).tolist() == pytest.approx([0.02, 0.1], rel=0.02)
    errors = [
        (damage.compress(images, torch.full((4,), quality)) - images).abs().mean().item() for quality in (95.0, 20.0)
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("kind", [*KINDS, ALL])
def test_the_corrupted_set_is_fixed_and_each_kind_changes_pages(kind):
    original = pages()
    corrupted = corrupt_block(original, kind, 3, 0)
    assert corrupted.dtype == torch.uint8
    assert torch.equal(corrupted, corrupt_block(original, kind, 3, 0))
    assert not torch.equal(corrupted, original)
    assert not torch.equal(corrupted, corrupt_block(original, kind, 4, 0))
    assert not torch.equal(corrupted, corrupt_block(original, kind, 3, 512))


def augment(recipe, progress=1.0, seed=0, count=16):
    torch.manual_seed(seed)
    targets = torch.arange(count) % 3
    return Augmentation(recipe, 3)(pages(count), targets, progress, torch.Generator().manual_seed(seed))


def test_upright_is_nothing_but_a_resize():
    stored = pages(3)
    expected = F.interpolate(stored.permute(0, 3, 1, 2) / 255, size=(32, 32), mode="bilinear", antialias=True)
    assert torch.allclose(upright(stored, 32), expected, atol=1e-6)
    recipe = tiny_recipe(image_size=32, augmentation="none", orientation="fixed")
    images, labels = augment(recipe, count=3)
    assert torch.allclose(images, expected, atol=1e-6)
    assert torch.equal(labels, torch.eye(3))


@pytest.mark.parametrize("level", ["light", "hard"])
def test_augmentation_differs_by_draw_and_by_page_and_repeats_with_the_seed(level):
    recipe = tiny_recipe(image_size=32, augmentation=level)
    first, again, other = (augment(recipe, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.05)
    torch.manual_seed(0)
    same_page = pages(1).expand(16, -1, -1, -1)
    generator = torch.Generator().manual_seed(0)
    images, _ = Augmentation(recipe, 3)(same_page, torch.zeros(16, dtype=torch.long), 1.0, generator)
    assert len({image.numpy().tobytes() for image in images}) == len(images)
    assert 0 <= images.min() <= images.max() <= 1


def test_recognised_orientation_turns_half_a_batch_again_and_labels_it():
    recipe = tiny_recipe(image_size=36, augmentation="none", orientation="recognise")
    images, labels = augment(recipe)
    assert images.shape == (24, 3, 36, 36)
    assert torch.equal(labels[:16].argmax(1), torch.arange(16) % 3)
    assert (labels[16:].argmax(1) == 3).all()
    plain = to_float(pages(16))
    assert torch.allclose(images[:16], plain, atol=1e-5)
    for turned, page in zip(images[16:], plain[:8], strict=True):
        views = [torch.allclose(turned, turn(page[None], view)[0], atol=1e-5) for view in range(8)]
        assert not views[0]
        assert sum(views) == 1


def test_augmented_orientation_turns_pages_and_keeps_their_labels():
    images, labels = augment(tiny_recipe(image_size=36, augmentation="none", orientation="augment"))
    plain = to_float(pages(16))
    views = [
        next(view for view in range(8) if torch.allclose(image, turn(page[None], view)[0], atol=1e-5))
        for image, page in zip(images, plain, strict=True)
    ]
    assert len(set(views)) > 3
    assert torch.equal(labels, F.one_hot(torch.arange(16) % 3, 3).float())


def test_hard_augmentation_grows_over_its_share_of_the_epochs():
    augmentation = Augmentation(tiny_recipe(ramp=0.5), 3)
    assert [augmentation.hard_share(progress) for progress in (0.05, 0.25, 0.5, 1.0)] == [0.1, 0.5, 1.0, 1.0]
    assert Augmentation(tiny_recipe(ramp=0), 3).hard_share(0.01) == 1.0


def test_mixup_and_cutmix_mix_images_and_labels_alike():
    plain = to_float(pages(16))
    recipe = tiny_recipe(image_size=36, augmentation="none", orientation="fixed", mixup=1.0)
    images, labels = augment(recipe)
    partner, own = plain.roll(1, 0), labels[1, 1].item()  # page 1 is of class 1, its partner of class 0
    assert 0 < own < 1
    assert torch.allclose(images[1], plain[1] * own + partner[1] * (1 - own), atol=1e-5)
    assert labels[1].tolist() == pytest.approx([1 - own, own, 0], abs=1e-6)
    recipe = tiny_recipe(image_size=36, augmentation="none", orientation="fixed", cutmix=1.0)
    images, labels = augment(recipe)
    changed = (images[1] != plain[1]).any(0)
    assert changed.any()
    assert torch.equal(images[1][:, changed], partner[1][:, changed])
    assert labels[1, 0].item() >= changed.float().mean().item()  # the box covers at least what differs


def test_mixing_leaves_turned_pages_alone():
    _, labels = augment(tiny_recipe(image_size=36, augmentation="none", orientation="recognise", mixup=1.0))
    assert (labels[16:, 3] == 1).all()
    assert (labels[:16, 3] == 0).all()


def test_erasing_covers_a_part_of_the_pages():
    recipe = tiny_recipe(image_size=36, augmentation="light", orientation="fixed")
    kept, erased = augment(recipe)[0], augment(recipe.model_copy(update={"erasing": 1.0}))[0]
    shares = (kept != erased).any(1).float().mean((1, 2))
    assert (shares > 0.01).all()
    assert shares.mean() < 0.5


def test_the_angle_range_is_that_of_a_careless_scan():
    draws = damage.uniform(10_000, -damage.ROTATION, damage.ROTATION, torch.Generator().manual_seed(0))
    assert math.isclose(draws.min(), -15, abs_tol=0.05)
    assert math.isclose(draws.max(), 15, abs_tol=0.05)
