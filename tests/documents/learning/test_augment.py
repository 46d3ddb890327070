import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reprise.documents.learning.augment import Augmentation
from reprise.documents.network.pages import to_float, upright
from reprise.documents.network.views import turn
from tests.documents.helpers import draw_page, tiny_recipe


def pages(count=6, size=36):
    return torch.from_numpy(np.stack([np.asarray(draw_page("bars", number, size)) for number in range(count)]))


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


def test_recognised_orientation_turns_part_of_a_batch_again_and_labels_it():
    recipe = tiny_recipe(image_size=36, augmentation="none", orientation="recognise", turned=0.25)
    assert len(augment(recipe)[0]) == 20
    images, labels = augment(recipe.model_copy(update={"turned": 0.5}))
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
