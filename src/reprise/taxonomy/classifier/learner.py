"""Data sets, losses and optimiser of the trainings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from reprise.core.errors import InputError
from reprise.core.seed import derive_seed
from reprise.taxonomy.classifier.model import Network
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.recipe import Recipe
from reprise.training.means import log_mean
from reprise.training.schedule import fusible, with_schedule

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

IGNORED = -1.0  # in a label matrix: neither positive nor negative


class TokenDataset(Dataset[Any]):
    """Tokenised texts with their targets, indexed with whole batches.

    Args:
        encoder: gives the tokenizer and the length at which texts are cut.
        texts: N texts.
        targets: (N, K).
    """

    def __init__(self, encoder: "SentenceTransformer", texts: Sequence[str], targets: Tensor) -> None:
        self.tokenizer, self.targets = encoder.tokenizer, targets
        self.tokens = self.tokenizer(list(texts), truncation=True, max_length=encoder.max_seq_length)["input_ids"]

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, indices: Any) -> tuple[dict[str, Tensor], Tensor]:
        padded = self.tokenizer.pad({"input_ids": [self.tokens[index] for index in indices]}, return_tensors="pt")
        return dict(padded), self.targets[indices]


def make_dataset(
    network: Network, documents: "Tensor | Sequence[str]", targets: Tensor, rows: np.ndarray
) -> "Dataset[Any]":
    """Pair some documents with their targets, for `epoch_loader`.

    Args:
        network: its encoder, where it has one, gives the tokenizer.
        documents: embeddings (N, D), or N texts.
        targets: (N, K).
        rows: of the documents to take.
    """
    if isinstance(documents, Tensor):
        return TensorDataset(documents[rows], targets[rows])
    assert network.encoder is not None
    return TokenDataset(network.encoder, [documents[row] for row in rows], targets[rows])


class Learner(LightningModule):
    """Trains a network with one of the losses.

    Args:
        network: what is trained.
        recipe: loss, learning rates, schedule.
        hierarchy: the C classes.
    """

    def __init__(self, network: Network, recipe: Recipe, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.network, self.recipe = network, recipe
        self.register_buffer("leaves", torch.from_numpy(hierarchy.leaves), persistent=False)

    def compute_loss(self, batch: Sequence[Any]) -> Tensor:
        """Mean loss over the documents of a batch."""
        documents, targets = batch
        logits = self.network(documents)  # (B, C)
        if self.recipe.loss == "bce":
            return masked_bce(logits, targets)
        assert isinstance(self.leaves, Tensor)
        return soft_cross_entropy(logits[:, self.leaves], targets)

    def training_step(self, batch: Sequence[Any], batch_idx: int) -> Tensor:
        loss = self.compute_loss(batch)
        log_mean(self, "train_loss", loss, len(batch[1]))
        return loss

    def validation_step(self, batch: Sequence[Any], batch_idx: int) -> None:
        loss = self.compute_loss(batch)
        log_mean(self, "valid_loss", loss, len(batch[1]))

    def configure_optimizers(self) -> Any:
        """AdamW, with a learning rate of its own for the encoder; biases and norms do not decay."""
        groups = []
        for part, scale in ((self.network.encoder, self.recipe.encoder_lr_scale), (self.network.classifier, 1.0)):
            trained = [parameter for parameter in part.parameters() if parameter.requires_grad] if part else []
            for decays in (True, False):
                chosen = [parameter for parameter in trained if (parameter.ndim > 1) == decays]
                decay = self.recipe.weight_decay if decays else 0.0
                if chosen:
                    groups.append({"params": chosen, "lr": self.recipe.lr * scale, "weight_decay": decay})
        groups.reverse()  # the classifier's group first: its rate is the one logged
        optimizer = torch.optim.AdamW(groups, fused=fusible(self.recipe))
        return with_schedule(optimizer, self.trainer, self.recipe)


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of soft targets (B, E) over the leaves, averaged over documents; a row of zeros adds nothing."""
    return -(targets * logits.log_softmax(-1)).sum(-1).mean()


def masked_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy summed over the classes that are not ignored, averaged over documents.

    The sum, as in TaxoClass, equation 6: with the mean over hundreds of classes, nearly all negative, the gradient of
    the few positive ones vanishes and all probabilities collapse to zero.
    """
    losses = nn.functional.binary_cross_entropy_with_logits(logits, labels.clamp(min=0), reduction="none")
    return (losses * (labels != IGNORED)).sum(-1).mean()


def binary_divergence(targets: Tensor, predicted: Tensor) -> Tensor:
    """KL(q || p) of each class's yes and no, summed over classes, averaged over documents: (B, C), (B, C) -> ().

    TaxoClass, equation 8.
    """
    predicted = predicted.clamp(1e-6, 1 - 1e-6)
    cross = -(targets * predicted.log() + (1 - targets) * (1 - predicted).log())
    entropy = torch.special.entr(targets) + torch.special.entr(1 - targets)
    return (cross - entropy).sum(-1).mean()


def sharpen(posterior: np.ndarray, power: float) -> np.ndarray:
    """Raise a posterior (N, E) to a power and scale its rows to sum to 1 again; a row of zeros stays."""
    targets = np.power(posterior, power)
    totals = targets.sum(axis=1, keepdims=True)
    return targets / np.where(totals > 0, totals, 1)


def core_labels(core: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """TaxoClass's labels, (N, C) float32 from core classes (N, C) bool.

    Positive (1) are core classes and their ancestors, ignored (-1) their other descendants, negative (0) the rest.
    """
    positive = hierarchy.close_upwards(core)
    below = (core.astype(np.float32) @ hierarchy.closure.T.astype(np.float32)) > 0  # at or below a core class
    return np.where(positive, 1.0, np.where(below, IGNORED, 0.0)).astype(np.float32)


def split_documents(
    labelled: np.ndarray, seeds: np.ndarray, valid_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows that have a silver label into training and validation rows, at random.

    Args:
        labelled: (N,) bool.
        seeds: (N,) bool, documents that a person labelled: all of them train, where others are left to validate.
        valid_fraction: of the labelled documents; at least one of them validates.
        seed: draws the split.

    Raises:
        InputError: fewer than two documents have a silver label, or all of them would validate.
    """
    rows = np.random.default_rng(derive_seed(seed, "taxonomy-split")).permutation(np.flatnonzero(labelled))
    if len(rows) < 2:
        raise InputError(f"{len(rows)} documents have a silver label; training needs at least 2")
    rows = rows[np.argsort(seeds[rows], kind="stable")]  # the first ones validate
    count = max(1, round(valid_fraction * len(rows)))
    if count == len(rows):
        raise InputError(f"valid_fraction is {valid_fraction}: of {count} labelled documents none is left to train on")
    return np.sort(rows[count:]), np.sort(rows[:count])


def class_counts(core: np.ndarray, hierarchy: Hierarchy) -> dict[str, int]:
    """Count the documents of each core class, by the class's name; classes without one are left out."""
    counts = zip(hierarchy.names, core.sum(axis=0).tolist(), strict=True)
    return {name: int(count) for name, count in counts if count}


def label_counts(core: np.ndarray, hierarchy: Hierarchy) -> dict[str, Any]:
    """Count positive and negative labels of the documents that have a core class."""
    labels = core_labels(core[core.any(axis=1)], hierarchy)
    return {"num_positive_labels": int((labels == 1).sum()), "num_negative_labels": int((labels == 0).sum())}
