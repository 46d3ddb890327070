import math

import pytest
import torch
from torchvision.transforms.v2 import functional as VF

from reprise.documents.network import damage

SIDE = 24


def noise(count=4, size=SIDE, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


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


def test_the_angle_range_is_that_of_a_careless_scan():
    draws = damage.uniform(10_000, -damage.ROTATION, damage.ROTATION, torch.Generator().manual_seed(0))
    assert math.isclose(draws.min(), -15, abs_tol=0.05)
    assert math.isclose(draws.max(), 15, abs_tol=0.05)
