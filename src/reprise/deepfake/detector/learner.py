"""How the detector learns: batches, loss, dev EER, optimiser and schedule, as a Lightning module."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F

from reprise.core.processes import gather
from reprise.core.seed import derive_seed
from reprise.deepfake.data.crops import CropMaker
from reprise.deepfake.data.dataset import Corpus
from reprise.deepfake.detector.augment import augment
from reprise.deepfake.detector.model import Detector, Output
from reprise.deepfake.detector.scoring import score_utterance
from reprise.deepfake.quality.metrics import equal_error_rate
from reprise.deepfake.recipe import Recipe
from reprise.training.schedule import warmup_schedule

TIE = 0.01  # of the dev loss, in the choice of the epoch: many epochs have one EER on a small dev set


class Learner(LightningModule):
    """Trains a detector.

    Args:
        detector: to be trained.
        recipe: batches, loss, optimiser.
        train: utterances to cut from.
        dev: utterances to choose the epoch by.
        seed: of crops and augmentation.
    """

    def __init__(self, detector: Detector, recipe: Recipe, train: Corpus, dev: Corpus, seed: int) -> None:
        super().__init__()
        self.detector, self.recipe, self.seed = detector, recipe, seed
        self.crops, self.dev = CropMaker(train, recipe), dev
        self.natural_weight, self.spoof_weight = class_weights(train.spoof, recipe)
        self.generator = np.random.default_rng(seed)
        self.dev_logits: dict[int, float] = {}

    def on_train_epoch_start(self) -> None:
        """Draw this epoch's crops and augmentation from (seed, epoch, process)."""
        self.generator = np.random.default_rng(derive_seed(self.seed, "crops", self.current_epoch, self.global_rank))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Loss of a batch of rows (B,)."""
        samples, labels = self.crops(batch.cpu(), self.generator)
        if self.recipe.rawboost or self.recipe.band_limit or self.recipe.noise or self.recipe.gain:
            rows = [augment(row, self.recipe, self.generator) for row in samples.numpy()]
            samples = torch.from_numpy(np.stack(rows))
        output = self.detector(samples.to(self.device))
        loss = self.loss(output, labels.to(self.device))
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        return loss

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        """Cross-entropy of the pieces, and of their most suspicious frames.

        A spoof has to have some frames that look like one, a natural utterance none: which frames, nobody says.
        """
        weights = torch.where(labels > 0, self.spoof_weight, self.natural_weight)
        loss = F.binary_cross_entropy_with_logits(output.logits, labels, weights)
        if self.recipe.frame_loss:
            count = max(1, round(self.recipe.frame_share * output.frame_logits.shape[1]))
            suspicious = output.frame_logits.topk(count, 1).values.mean(1)
            frames = F.binary_cross_entropy_with_logits(suspicious, labels, weights)
            loss = loss + self.recipe.frame_loss * frames
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the epoch before."""
        self.dev_logits = {}

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Score whole dev utterances, rows (B,)."""
        for row in batch.tolist():
            self.dev_logits[row] = self.dev_logit(row)

    def on_validation_epoch_end(self) -> None:
        """Log dev loss, dev EER, and what chooses the epoch."""
        logits = {row: value for part in gather(self.dev_logits) for row, value in part.items()}
        loss, rate = self.judge(logits)
        self.log("valid_loss", loss)
        self.log("dev_eer", rate)
        self.log("selection", rate + TIE * min(loss, 10.0))

    def dev_logit(self, row: int) -> float:
        """Mean logit of a dev utterance's chunks."""
        waveform = self.dev.waveform(row)
        return -score_utterance(waveform, lambda samples: self.detector(samples).logits, str(self.device))

    def judge(self, logits: "dict[int, float]") -> tuple[float, float]:
        """Loss and EER of dev utterances' logits, by row."""
        spoof, values = self.dev.spoof[list(logits)], np.array(list(logits.values()))
        weights = np.where(spoof, self.spoof_weight, self.natural_weight)
        losses = weights * np.logaddexp(0, np.where(spoof, -values, values))
        return float(losses.mean()), equal_error_rate(-values, spoof)

    def selection(self) -> float:
        """What chooses the epoch, of the weights as they are: the EER, and the loss between equal ones."""
        loss, rate = self.judge({row: self.dev_logit(row) for row in range(len(self.dev))})
        return rate + TIE * min(loss, 10.0)

    def configure_optimizers(self) -> Any:
        """AdamW without decay of biases, norms and gains; the schedule steps with every batch."""
        decayed = [p for p in self.detector.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.detector.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.recipe.lr)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = warmup_schedule(optimizer, total, self.recipe.warmup, self.recipe.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def class_weights(spoof: np.ndarray, recipe: Recipe) -> tuple[float, float]:
    """Weights of natural and of spoofed utterances: the rarer class weighs more, the mean over utterances is 1.

    Equal where the classes are not to be balanced, and where batches hold as many of both anyway.
    """
    if not recipe.balanced_classes or recipe.twins:
        return 1.0, 1.0
    share = float(spoof.mean())
    return 0.5 / (1 - share), 0.5 / share
