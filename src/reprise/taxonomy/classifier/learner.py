"""How a classifier learns: batches, losses and optimiser, as one Lightning module for both training stages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from reprise.core.params import Hardware
from reprise.taxonomy.classifier.model import TaxonomyClassifier
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.recipe import Recipe
from reprise.training.fit import EpochBatchSampler
from reprise.training.schedule import warmup_schedule

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

IGNORED = -1.0  # in a label matrix: neither positive nor negative


class Network(nn.Module):
    """The whole of what a training may change: the classifier, and the encoder where that trains too."""

    def __init__(self, classifier: TaxonomyClassifier, encoder: "SentenceTransformer | None") -> None:
        super().__init__()
        self.classifier, self.encoder = classifier, encoder

    def forward(self, documents: "Tensor | dict[str, Tensor]") -> Tensor:
        """Logits (B, C) of embeddings (B, D), or of tokens where an encoder is at hand."""
        if isinstance(documents, dict):
            assert self.encoder is not None
            documents = self.encoder(documents)["sentence_embedding"]  # (B, D)
        return self.classifier(documents)


class TokenDataset(Dataset[Any]):
    """Tokenised texts with their targets, read a batch at a time.

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


def make_loaders(
    network: Network,
    documents: "Tensor | Sequence[str]",
    targets: Tensor,
    parts: Sequence[np.ndarray],
    recipe: Recipe,
    seed: int,
    hardware: Hardware,
    batches: int | None = None,
) -> "list[DataLoader[Any]]":
    """Batches of documents with their targets: the first part shuffled anew each epoch, the others in order.

    Args:
        network: its encoder, if it has one, reads texts.
        documents: embeddings (N, D), or N texts.
        targets: (N, K).
        parts: rows of each loader.
        recipe: batch_size.
        seed: of the order.
        hardware: workers.
        batches: of an epoch of the first part; None: one pass.
    """
    loaders = []
    for number, rows in enumerate(parts):
        dataset: Dataset[Any]
        if isinstance(documents, Tensor):
            dataset = TensorDataset(documents[rows], targets[rows])
        else:
            assert network.encoder is not None
            dataset = TokenDataset(network.encoder, [documents[row] for row in rows], targets[rows])
        first = number == 0
        sampler = EpochBatchSampler(len(rows), recipe.batch_size, seed, first, batches if first else None)
        loaders.append(DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=hardware.workers))
    return loaders


class Learner(LightningModule):
    """Trains a network by one of the losses.

    Args:
        network: to be trained.
        recipe: loss, learning rates, schedule.
        hierarchy: the C classes.
        loss: `soft` or `bce`.
        lr: peak learning rate, the recipe's or self-training's own.
    """

    def __init__(self, network: Network, recipe: Recipe, hierarchy: Hierarchy, loss: str, lr: float) -> None:
        super().__init__()
        self.network, self.recipe, self.loss, self.lr = network, recipe, loss, lr
        self.register_buffer("leaves", torch.from_numpy(hierarchy.leaves), persistent=False)

    def compute_loss(self, batch: Sequence[Any]) -> Tensor:
        """Mean loss over the documents of a batch."""
        documents, targets = batch
        logits = self.network(documents)  # (B, C)
        if self.loss == "bce":
            return masked_bce(logits, targets)
        assert isinstance(self.leaves, Tensor)
        return soft_cross_entropy(logits[:, self.leaves], targets)

    def training_step(self, batch: Sequence[Any], batch_idx: int) -> Tensor:
        """One batch's loss."""
        loss = self.compute_loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch[1]), sync_dist=True)
        return loss

    def validation_step(self, batch: Sequence[Any], batch_idx: int) -> None:
        """One batch's loss."""
        loss = self.compute_loss(batch)
        self.log("valid_loss", loss, on_epoch=True, batch_size=len(batch[1]), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW; the encoder has a learning rate of its own; biases and norms do not decay."""
        groups = []
        for part, scale in ((self.network.encoder, self.recipe.encoder_lr_scale), (self.network.classifier, 1.0)):
            trained = [parameter for parameter in part.parameters() if parameter.requires_grad] if part else []
            for decays in (True, False):
                chosen = [parameter for parameter in trained if (parameter.ndim > 1) == decays]
                decay = self.recipe.weight_decay if decays else 0.0
                if chosen:
                    groups.append({"params": chosen, "lr": self.lr * scale, "weight_decay": decay})
        optimizer = torch.optim.AdamW(reversed(groups))  # the classifier's group first: its rate is the one logged
        total = int(self.trainer.estimated_stepping_batches)
        schedule = warmup_schedule(optimizer, total, self.recipe.warmup, self.recipe.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of soft targets (B, E) over the leaves, averaged over documents; a row of zeros weighs nothing."""
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


def core_labels(core: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """TaxoClass's labels, (N, C) float32 from core classes (N, C) bool.

    Positive (1) are core classes and their ancestors, ignored (-1) their other descendants, negative (0) the rest.
    """
    positive = hierarchy.close_upwards(core)
    below = (core.astype(np.float32) @ hierarchy.closure.T.astype(np.float32)) > 0  # at or below a core class
    return np.where(positive, 1.0, np.where(below, IGNORED, 0.0)).astype(np.float32)


def unfreeze_last_layers(encoder: "SentenceTransformer", layers: int) -> None:
    """Let only an encoder's last layers learn; -1: all of it, embeddings included."""
    encoder.requires_grad_(layers == -1)
    if layers > 0:
        blocks = max((part for part in encoder.modules() if isinstance(part, nn.ModuleList)), key=len)
        for block in blocks[-layers:]:
            block.requires_grad_(True)
