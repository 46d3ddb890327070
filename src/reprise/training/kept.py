"""Weights of epochs that stay after a training, on request: `log.keep_checkpoints`."""

import logging
import shutil
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from reprise.core.errors import InputError
from reprise.core.models import save_model

logger = logging.getLogger("reprise")

KEPT_FOLDER = Path(".kept")


class KeepCheckpoints(Callback):
    """Saves the model's weights after every n-th epoch, and after the last one, as safetensors.

    A task's `weights` takes such a file. Where the recipe keeps a moving average, the weights are those of the
    optimiser, not the average.

    Args:
        folder: where; it belongs to one run.
        model: what is saved.
        every: n.
    """

    def __init__(self, folder: Path, model: nn.Module, every: int) -> None:
        self.folder, self.model, self.every = folder, model, every
        self.kept: int | None = None  # the last epoch that was saved

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the files will take of the disk.

        Raises:
            InputError: the disk has less.
        """
        if not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        epochs = trainer.max_epochs or 0
        count = epochs // self.every + (epochs % self.every > 0)
        size = count * sum(tensor.nbytes for tensor in self.model.state_dict().values())
        free = shutil.disk_usage(self.folder).free
        wanted = f"{count} checkpoints of up to {size / 2**20:.1f} MiB together"
        if size > free:
            raise InputError(f"{self.folder}: {wanted}, {free / 2**20:.1f} MiB free; raise log.keep_checkpoints")
        logger.info("%s: will hold %s; %.1f GiB free", self.folder, wanted, free / 2**30)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every == 0:
            self._save(trainer, trainer.current_epoch + 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the last epoch, wherever early stopping has put it."""
        self._save(trainer, trainer.current_epoch)

    def _save(self, trainer: Trainer, epoch: int) -> None:
        if trainer.is_global_zero and epoch not in (0, self.kept):
            save_model(self.folder / f"epoch-{epoch:03d}.safetensors", self.model.state_dict(), {"epoch": epoch})
            self.kept = epoch
