"""From stored pages to what a training step sees: resampling, damage, orientation, mixing.

A whole batch is augmented at once, on the device of the training, each image with draws of its own. The draws come
from a generator (timm's erasing and torchvision's mixers take the global one) that is seeded from seed, epoch and
process: every epoch and every process sees other pages, and every run the same ones.
"""

import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from reprise.documents.network import damage
from reprise.documents.network.pages import to_float
from reprise.documents.network.views import turn_each
from reprise.documents.recipe import Recipe

LIGHT = {"rotation": 2.0, "zoom": 0.05, "aspect": 0.03, "shift": 0.02, "tone": 0.1}
HARD = {"rotation": damage.ROTATION, "zoom": 0.175, "aspect": 0.12, "shift": 0.05}
PERSPECTIVE, PERSPECTIVE_CHANCE = 0.08, 0.3
DAMAGE_CHANCE = 0.5  # of each kind of photometric damage, in hard augmentation


class Augmentation:
    """A recipe's augmentation.

    Args:
        recipe: says which.
        classes: C; with `orientation: recognise` there is one more output, for pages that are not upright.
    """

    def __init__(self, recipe: Recipe, classes: int) -> None:
        self.recipe, self.classes = recipe, classes
        self.outputs = classes + (recipe.orientation == "recognise")
        self.erasing = RandomErasing(recipe.erasing, mode="pixel", device="cpu") if recipe.erasing else None
        mixers = [(v2.MixUp, recipe.mixup), (v2.CutMix, recipe.cutmix)]
        self.mixers = [make(alpha=alpha, num_classes=self.outputs) for make, alpha in mixers if alpha > 0]

    def __call__(
        self, pages: Tensor, targets: Tensor, progress: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            pages: (B, S', S', 3) uint8.
            targets: (B,) classes.
            progress: fraction of the epochs that are over or running, in (0, 1].
            generator: on the pages' device.

        Returns:
            Images (B', 3, S, S) in [0, 1] and label distributions (B', K); B' is (1 + turned) B with
            orientation recognised.
        """
        recognise = self.recipe.orientation == "recognise"
        labels = F.one_hot(targets, self.outputs).float()
        images = to_float(pages)
        if recognise:
            again = round(self.recipe.turned * len(images))
            images = torch.cat([images, images[:again]])
        images = self.distort(images, progress, generator)
        if self.recipe.orientation == "augment":
            images = turn_each(images, self._draw_views(len(images), 0, generator))
        turned = images[len(targets) :]  # none unless orientation is recognised
        images, labels = self._mix(images[: len(targets)], labels, targets)
        if recognise:
            turned = turn_each(turned, self._draw_views(len(turned), 1, generator))
            not_upright = F.one_hot(targets.new_full((len(turned),), self.classes), self.outputs).float()
            images, labels = torch.cat([images, turned]), torch.cat([labels, not_upright])
        return images, labels

    def distort(self, images: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        """Resample and damage images (B, 3, S', S') without turning them: (B, 3, S, S)."""
        size, count = self.recipe.image_size, len(images)
        if self.recipe.augmentation == "none":
            return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        share = self.hard_share(progress) if self.recipe.augmentation == "hard" else 0.0
        hard = damage.uniform(count, 0, 1, generator) < share
        images = self._warp(images, hard, generator)
        images = self._tone(images, hard, generator)
        if share > 0:
            images = self._damage(images, hard, generator)
        return images if self.erasing is None else self.erasing(images)

    def hard_share(self, progress: float) -> float:
        """Fraction of the images that are augmented hard, which grows over the first `ramp` of the epochs."""
        return 1.0 if self.recipe.ramp == 0 else min(1.0, progress / self.recipe.ramp)

    def _warp(self, images: Tensor, hard: Tensor, generator: torch.Generator) -> Tensor:
        count = len(images)

        def draw(name: str) -> Tensor:
            return torch.where(hard, HARD[name], LIGHT[name]) * damage.uniform(count, -1, 1, generator)

        shift = torch.stack([draw("shift"), draw("shift")], 1)
        perspective = None
        if bool(hard.any()):
            tilted = hard & (damage.uniform(count, 0, 1, generator) < PERSPECTIVE_CHANCE)
            amount = [damage.uniform(count, -PERSPECTIVE, PERSPECTIVE, generator) for _ in range(2)]
            perspective = torch.stack(amount, 1) * tilted[:, None]
        return damage.warp(
            images, self.recipe.image_size, draw("rotation"), 1 + draw("zoom"), 1 + draw("aspect"), shift, perspective
        )

    def _tone(self, images: Tensor, hard: Tensor, generator: torch.Generator) -> Tensor:
        count, strength = len(images), self.recipe.strength

        def draw(low: float, high: float) -> Tensor:
            light = damage.uniform(count, 1 - LIGHT["tone"], 1 + LIGHT["tone"], generator)
            return torch.where(hard, 1 + strength * (damage.uniform(count, low, high, generator) - 1), light)

        contrast, brightness = draw(*damage.CONTRAST)[:, None, None, None], draw(*damage.BRIGHTNESS)
        brightness = brightness[:, None, None, None]
        mean = images.mean((1, 2, 3), keepdim=True)
        return torch.addcmul(brightness * (1 - contrast) * mean, brightness * contrast, images).clamp_(0, 1)

    def _damage(self, images: Tensor, hard: Tensor, generator: torch.Generator) -> Tensor:
        """Blur, noise and JPEG, each on a random half of the images that are augmented hard."""
        strength = self.recipe.strength

        def choose() -> tuple[Tensor, int]:
            chosen = hard & (damage.uniform(len(images), 0, 1, generator) < DAMAGE_CHANCE)
            rows = chosen.nonzero()[:, 0]
            return rows, len(rows)

        rows, count = choose()
        if count:
            images[rows] = damage.blur(images[rows], strength * damage.uniform(count, *damage.BLUR, generator))
        rows, count = choose()
        if count:
            deviation = strength * damage.uniform(count, *damage.NOISE, generator)
            images[rows] = damage.add_noise(images[rows], deviation, generator)
        rows, count = choose()
        if count:
            quality = 100 - strength * (100 - damage.uniform(count, *damage.QUALITY, generator))
            images[rows] = damage.compress(images[rows], quality.clamp(1, 100))
        return images

    def _mix(self, images: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not self.mixers:
            return images, labels
        mixer = self.mixers[int(torch.randint(len(self.mixers), ()))]
        return mixer(images, targets)

    def _draw_views(self, count: int, lowest: int, generator: torch.Generator) -> Tensor:
        return torch.randint(lowest, 8, (count,), generator=generator, device=generator.device)
