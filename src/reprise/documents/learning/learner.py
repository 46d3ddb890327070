"""How a fold's network learns: losses, metrics, optimiser and schedule, as a Lightning module."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningModule
from timm.optim import create_optimizer_v2, list_optimizers
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from reprise.core.batches import BatchSize
from reprise.core.errors import InputError
from reprise.core.seed import derive_seed
from reprise.documents.learning.augment import Augmentation
from reprise.documents.learning.dataset import PageDataset
from reprise.documents.learning.probe import fit_classifier, pooled_features
from reprise.documents.network.batch_norm import recalibrated_batch_norms
from reprise.documents.network.cpu import suit_cpu
from reprise.documents.network.fusion import fold_batch_norms, fold_frozen, learns
from reprise.documents.network.model import Classifier, build_network, freeze_blocks
from reprise.documents.network.pages import CPU_BATCH, INFERENCE_BATCH, inference_batch, upright
from reprise.documents.recipe import Recipe
from reprise.training.means import log_mean
from reprise.training.schedule import fusible, with_schedule


class Learner(LightningModule):
    """Trains a classifier of pages.

    Args:
        classifier: to be trained.
        recipe: loss, augmentation, optimiser, schedule.
        class_counts: (C,) training pages of each class.
        seed: of the augmentation.
    """

    def __init__(self, classifier: Classifier, recipe: Recipe, class_counts: Tensor, seed: int) -> None:
        super().__init__()
        self.classifier, self.recipe, self.seed = classifier, recipe, seed
        self.classes = len(class_counts)
        self.augmentation = Augmentation(recipe, self.classes)
        self.frozen_norms = freeze_blocks(classifier.network, recipe.frozen_blocks)
        if recipe.frozen_norms:
            self.frozen_norms = [module for module in classifier.network.modules() if isinstance(module, BatchNorm)]
        adjustment = logit_adjustment(class_counts, self.augmentation.outputs, recipe.logit_adjustment)
        self.register_buffer("adjustment", adjustment, persistent=False)
        self.macro_f1 = MulticlassF1Score(self.classes, average="macro")
        self.accuracy = MulticlassAccuracy(self.classes, average="micro")
        self.eval_batch = BatchSize("auto", INFERENCE_BATCH)  # of validation, set once the device is known
        self.generator: torch.Generator | None = None
        self.folded: list[nn.Module] = []  # the network made faster; a list, so that it is no submodule
        self.unfolded_norms: list[nn.Module] = []  # frozen ones that were not folded
        self.train()  # as it should be from the first step

    def train(self, mode: bool = True) -> "Learner":
        """Keep frozen batch norms in evaluation mode."""
        super().train(mode)
        for network in self.folded:
            network.train(mode)
        for norm in (*self.frozen_norms, *self.unfolded_norms):
            norm.eval()
        return self

    def on_fit_start(self) -> None:
        """Make the network faster on the device that it is on now; what learns stays shared with the classifier."""
        if self.recipe.frozen_blocks or self.device.type == "cpu":
            size = self.recipe.image_size
            example = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)).to(self.device)
            folded = fold_frozen(self.classifier.network, example)
            suit_cpu(folded, example)
            self.folded = [folded]
            norms = [module for module in folded.modules() if isinstance(module, BatchNorm)]
            self.unfolded_norms = [norm for norm in norms if self.recipe.frozen_norms or not learns(norm)]

    def on_validation_model_train(self) -> None:
        """Train on after a validation, in `folded`, too, which Lightning does not know of."""
        self.train()

    def on_validation_start(self) -> None:
        self.eval_batch.size = min(self.eval_batch.size, inference_batch(self.device))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) in [0, 1] -> logits (B, K)."""
        network = self.folded[0] if self.folded else self.classifier.network
        return network(self.classifier.normalise(images))

    def on_train_epoch_start(self) -> None:
        """Draw this epoch's augmentation from (seed, epoch, process)."""
        seed = derive_seed(self.seed, "augmentation", self.current_epoch, self.global_rank)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        assert self.generator is not None
        progress = (self.current_epoch + 1) / self.recipe.epochs
        with torch.autocast(self.device.type, enabled=False):  # pages are damaged in full precision
            images, labels = self.augmentation(*batch, progress, self.generator)
        loss = self.loss(self(images), labels)
        log_mean(self, "train_loss", loss, len(batch[1]))
        return loss

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The recipe's loss of logits (B, K) against label distributions (B, K)."""
        recipe = self.recipe
        if recipe.loss == "logit_adjusted":
            assert isinstance(self.adjustment, Tensor)
            logits = logits + self.adjustment
        gamma = recipe.focal_gamma if recipe.loss == "focal" else 0.0
        return soft_focal_loss(logits, labels, gamma, recipe.label_smoothing)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Loss and metrics of pages as they are, over the classes alone."""
        pages, targets = batch
        images = upright(pages, self.recipe.image_size)
        logits = self.eval_batch.run(lambda size: torch.cat([self(part) for part in images.split(size)]))
        logits = logits[:, : self.classes]  # (B, C)
        loss = F.cross_entropy(logits, targets)
        self.macro_f1(logits, targets)
        self.accuracy(logits, targets)
        log_mean(self, "valid_loss", loss, len(targets))
        self.log("macro_f1", self.macro_f1, on_epoch=True)
        self.log("accuracy", self.accuracy, on_epoch=True)

    def configure_optimizers(self) -> Any:
        """Make an optimiser of timm's factory, without weight decay on biases and norms, and its schedule."""
        recipe = self.recipe
        if recipe.optimizer not in (known := [str(name) for name in list_optimizers()]):
            raise InputError(f"optimizer {recipe.optimizer!r}; timm has {', '.join(known)}")
        decay = recipe.layer_decay if recipe.layer_decay < 1 else None
        fused = recipe.optimizer in ("adam", "adamw") and fusible(recipe)
        options: dict[str, Any] = {"fused": True} if fused else {}
        optimizer = create_optimizer_v2(
            self.classifier.network, recipe.optimizer, recipe.lr, recipe.weight_decay, layer_decay=decay, **options
        )
        for group in optimizer.param_groups:
            group["lr"] *= group.get("lr_scale", 1.0)
        optimizer.param_groups.sort(key=lambda group: -group["lr"])  # the first group's rate is the one that is logged
        if recipe.schedule == "plateau":
            plateau = ReduceLROnPlateau(optimizer, factor=recipe.plateau_factor, patience=recipe.plateau_patience)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "valid_loss"}}
        return with_schedule(optimizer, self.trainer, recipe)


def soft_focal_loss(logits: Tensor, labels: Tensor, gamma: float, smoothing: float) -> Tensor:
    """Focal loss (Lin et al., ICCV 2017, equation 4) of label distributions, averaged over the batch.

    Args:
        logits: (B, K).
        labels: (B, K), rows that sum to 1.
        gamma: 0 is the cross-entropy.
        smoothing: share of each row that is spread over all outputs.
    """
    labels = labels * (1 - smoothing) + smoothing / labels.shape[1]
    log_probabilities = logits.log_softmax(1)
    weights = (1 - log_probabilities.exp()).pow(gamma) if gamma else 1.0
    return -(labels * weights * log_probabilities).sum(1).mean()


def logit_adjustment(class_counts: Tensor, outputs: int, tau: float) -> Tensor:
    """What the logit-adjusted loss adds to logits (Menon et al., ICLR 2021, equation 10): tau log prior, (K,).

    Centred, so that the output "not upright", which has no prior, is neither favoured nor held back.

    Args:
        class_counts: (C,) training pages; a class without one counts as one.
        outputs: K, C or one more.
        tau: 1 is consistent with the balanced error.
    """
    log_prior = (class_counts.clamp(min=1) / class_counts.sum()).log()
    return F.pad(tau * (log_prior - log_prior.mean()), (0, outputs - len(class_counts)))


def make_learner(recipe: Recipe, train: PageDataset, classes: int, seed: int) -> Learner:
    """Build the network with its weights; measure its batch norms and fit its classifier where the recipe says so."""
    classifier = Classifier(build_network(recipe, classes), recipe.channels_last, recipe.standardise)
    counts = torch.bincount(train.targets, minlength=classes).float()
    learner = Learner(classifier, recipe, counts, seed)
    if recipe.recalibrate or recipe.probe:
        fit_start(learner, train, derive_seed(seed, "start"))
    learner.train()
    return learner


def fit_start(learner: Learner, train: PageDataset, seed: int) -> None:
    """Measure the batch norms and fit the classifier on augmented copies of the pages, the first of which serve both.

    Args:
        learner: its network is changed in place.
        train: the pages.
        seed: of the augmentation.
    """
    recipe = learner.recipe
    network: Any = learner.classifier.network
    generator = torch.Generator().manual_seed(seed)
    example = torch.rand(2, 3, recipe.image_size, recipe.image_size, generator=generator)
    copies = itertools.chain.from_iterable(
        augmented_batches(learner, train, CPU_BATCH, generator) for _ in range(max(recipe.probe, 1))
    )
    found: list[tuple[Tensor, Tensor]] = []
    if recipe.recalibrate:
        measured = fold_frozen(network, example)  # its batch norms are the network's own
        suit_cpu(measured, example)
        batches = math.ceil(min(recipe.recalibrate, len(train)) / CPU_BATCH)
        with recalibrated_batch_norms(measured):
            found += pooled_features(measured, itertools.islice(copies, batches))
    if recipe.probe:
        folded = fold_batch_norms(network, example)
        suit_cpu(folded, example)
        found += pooled_features(folded, copies)
        features, labels = map(torch.cat, zip(*found, strict=True))  # (N, D), (N, K)
        fit_classifier(network.get_classifier(), features, labels, recipe.label_smoothing)


def augmented_batches(
    learner: Learner, train: PageDataset, size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Augment all training pages once, in random order, as training will.

    Args:
        learner: has the augmentation and the normalisation.
        train: the pages.
        size: B, of pages at once.
        generator: of the order and the augmentation.

    Yields:
        Normalised images (B', 3, S, S) and label distributions (B', K).
    """
    for part in torch.randperm(len(train), generator=generator).split(size):
        images, labels = learner.augmentation(*train[part.numpy()], 1.0, generator)
        yield learner.classifier.normalise(images), labels
