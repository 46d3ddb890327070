"""How the detector learns: batches, loss, dev error, optimiser and schedule, as a Lightning module."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.core.processes import gather
from reprise.core.seed import derive_seed
from reprise.core.weights import load_weights
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.augment import augment
from reprise.deepfake.detector.copies import Copies
from reprise.deepfake.detector.crops import CropMaker
from reprise.deepfake.detector.features import scale_loudness
from reprise.deepfake.detector.frames import hear_once
from reprise.deepfake.detector.front_ends import EncoderFrontEnd
from reprise.deepfake.detector.model import Detector, Output
from reprise.deepfake.detector.scoring import score_rows
from reprise.deepfake.error_rate import equal_error_rate
from reprise.deepfake.recipe import Recipe
from reprise.training.means import log_mean
from reprise.training.schedule import fusible, with_schedule

logger = logging.getLogger("reprise")

TIE = 0.01  # weight of the dev loss in the dev error: many epochs have the same EER on a small dev set
LARGEST_LOSS = 10.0  # in the dev error


class Learner(LightningModule):
    """Trains a detector.

    Args:
        detector: to be trained.
        recipe: batches, loss, optimiser.
        train: utterances to cut from.
        dev: utterances to choose the epoch by.
        seed: of crops and augmentation.
        copies: forms of the training utterances, at each speed; none: as they are.
    """

    def __init__(
        self,
        detector: Detector,
        recipe: Recipe,
        train: Corpus,
        dev: Corpus,
        seed: int,
        copies: Sequence[Copies] = (),
    ) -> None:
        super().__init__()
        self.detector, self.recipe, self.seed = detector, recipe, seed
        self.crops, self.dev = CropMaker(train, recipe, copies), dev
        self.natural_weight, self.spoof_weight = class_weights(train.spoof, recipe)
        self.generator = np.random.default_rng(seed)
        self.kept_out = frozen_names(detector) if recipe.ema_decay == 0 else []  # a moving average wants all
        self.dev_logits: dict[int, float] = {}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out a frozen encoder: it may be far larger than what learns, and two checkpoints an epoch hold it."""
        for name in self.kept_out:
            del checkpoint["state_dict"][name]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the frozen encoder back, which the recipe, or the file that the training starts from, has made again."""
        own = self.state_dict()
        checkpoint["state_dict"] |= {name: own[name] for name in self.kept_out}

    def on_train_epoch_start(self) -> None:
        """Draw this epoch's crops and augmentation from (seed, epoch, process)."""
        self.generator = np.random.default_rng(derive_seed(self.seed, "crops", self.current_epoch, self.global_rank))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Loss of a batch of rows (B,)."""
        samples, labels = self.crops(batch.cpu(), self.generator)
        if self.recipe.augments_crops:
            rows = [augment(row, self.recipe, self.generator) for row in samples.numpy()]
            samples = torch.from_numpy(np.stack(rows))
        pieces, detector = samples.to(self.device), self.detector
        output = detector.judge(detector.condense(pieces)) if detector.framed else detector(pieces)
        loss = self.loss(output, labels.to(self.device))
        log_mean(self, "train_loss", loss, len(batch))
        return loss

    def loss(self, output: Output, labels: Tensor) -> Tensor:
        """Cross-entropy of the pieces, of each view alone, and of their most suspicious frames.

        Some frames of a spoof have to look like one, none of a natural utterance; there are no labels by frame.
        """
        weights = torch.where(labels > 0, self.spoof_weight, self.natural_weight)
        loss = F.binary_cross_entropy_with_logits(output.logits, labels, weights)
        if output.view_logits is not None:  # else the view that learns first would leave the other untaught
            for logits in output.view_logits.unbind(1):
                loss = loss + self.recipe.view_loss * F.binary_cross_entropy_with_logits(logits, labels, weights)
        if self.recipe.frame_loss:
            count = max(1, round(self.recipe.frame_share * output.frame_logits.shape[1]))
            suspicious = output.frame_logits.topk(count, 1).values.mean(1)
            frames = F.binary_cross_entropy_with_logits(suspicious, labels, weights)
            loss = loss + self.recipe.frame_loss * frames
        return loss

    def on_validation_epoch_start(self) -> None:
        self.dev_logits = {}

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Score whole dev utterances, rows (B,): the mean logit of their chunks."""
        rows = batch.tolist()
        scores = score_rows(self.dev, rows, self.detector, str(self.device), hear_once)
        self.dev_logits |= {row: -score for row, score in zip(rows, scores, strict=True)}

    def on_validation_epoch_end(self) -> None:
        logits = {row: value for part in gather(self.dev_logits) for row, value in part.items()}
        for name, value in self.judge(logits).items():
            self.log(name, value)

    def judge(self, logits: dict[int, float]) -> dict[str, float]:
        """Measure dev utterances' logits, by row: loss, EER, and `dev_error`, by which the epoch is chosen."""
        spoof, values = self.dev.spoof[list(logits)], np.array(list(logits.values()))
        weights = np.where(spoof, self.spoof_weight, self.natural_weight)
        losses = weights * np.logaddexp(0, np.where(spoof, -values, values))
        loss, rate = float(losses.mean()), equal_error_rate(-values, spoof)
        return {"valid_loss": loss, "dev_eer": rate, "dev_error": rate + TIE * min(loss, LARGEST_LOSS)}

    def configure_optimizers(self) -> Any:
        """AdamW without decay of biases, norms and gains."""
        learned = [parameter for parameter in self.detector.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in learned if p.ndim > 1], "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.recipe.lr, fused=fusible(self.recipe))
        return with_schedule(optimizer, self.trainer, self.recipe)


def frozen_names(detector: Detector) -> list[str]:
    """Names in the learner's state of an encoder that does not learn."""
    front_end = detector.front_end
    if not isinstance(front_end, EncoderFrontEnd) or front_end.trained:
        return []
    return [f"detector.front_end.encoder.{name}" for name in front_end.encoder.state_dict()]


def class_weights(spoof: np.ndarray, recipe: Recipe) -> tuple[float, float]:
    """Weights of natural and of spoofed utterances: the rarer class weighs more, the mean over utterances is 1.

    Equal where the classes are not to be balanced, and where batches hold as many of both anyway.
    """
    if not recipe.balanced_classes or recipe.twins:
        return 1.0, 1.0
    share = float(spoof.mean())
    return 0.5 / (1 - share), 0.5 / share


def start_file(recipe: Recipe) -> Path | None:
    """The file whose weights a recipe starts from: the first of `weights` that exists; None: they are new.

    Raises:
        InputError: none of them exists.
    """
    if recipe.weights == "none":
        return None
    paths = [Path(name) for name in ([recipe.weights] if isinstance(recipe.weights, str) else recipe.weights)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise InputError(f"weights: no such file: {', '.join(map(str, paths))}; expected none, a path, or several")
    logger.info("%s: the detector starts from its weights", path)
    return path


def make_detector(recipe: Recipe, train: Corpus, weights: Path | None = None) -> Detector:
    """Build a detector with a file's weights, or one whose features are standardised on the training utterances.

    Raises:
        InputError: the file's weights do not fit the recipe.
    """
    detector = Detector(recipe)
    if weights is not None:
        load_weights(detector, weights)
    elif detector.cepstral is not None:
        with torch.no_grad():
            pieces = (torch.from_numpy(train.waveform(row))[None] for row in range(len(train)))
            detector.cepstral.standardise_on([detector.filterbank(scale_loudness(piece)) for piece in pieces])
    return detector
