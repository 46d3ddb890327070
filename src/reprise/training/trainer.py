"""The Lightning Trainer of a recipe, and callbacks that every training has."""

import sys
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, TQDMProgressBar
from torch import Tensor

from reprise.core.params import Hardware
from reprise.core.processes import launched, processes_per_machine, world_size
from reprise.core.recipe import TrainParams
from reprise.core.seed import derive_seed, seed_everything
from reprise.training.checkpoints import AtomicCheckpointIO


def make_trainer(
    params: TrainParams, hardware: Hardware, callbacks: list[Callback], monitor: str, mode: str
) -> Trainer:
    """Build the Trainer of a recipe: what Lightning itself has, and nothing that writes files of its own.

    Args:
        params: the recipe; its gradients are clipped by `EpochLog`.
        hardware: where to run.
        callbacks: put before those that the recipe asks for.
        monitor: metric that early stopping watches.
        mode: `min` or `max`: which way it is better.
    """
    callbacks = [*callbacks]
    if params.ema_decay > 0:
        callbacks.insert(0, EMAWeightAveraging(decay=params.ema_decay))
    if params.patience > 0:
        callbacks.append(EarlyStopping(monitor, mode=mode, patience=params.patience, check_finite=False))
    if interactive := sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    return Trainer(
        accelerator=hardware.accelerator,
        **placement(hardware),
        precision=params.precision,
        max_epochs=params.epochs,
        accumulate_grad_batches=params.accumulate,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        logger=False,
        enable_progress_bar=interactive,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


class SeedEachEpoch(Callback):
    """Seeds all generators from (seed, epoch, process) as an epoch starts."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget whatever earlier epochs drew."""
        seed_everything(derive_seed(self.seed, "epoch", trainer.current_epoch, trainer.global_rank))


class WeighShares(Callback):
    """Makes every example of a batch count the same where processes have different numbers of them.

    Gradients are averaged over the processes, whatever the size of each one's share.
    """

    def __init__(self) -> None:
        self.weight = 1.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Look up this process's share of the batch."""
        assert trainer.train_dataloader is not None
        self.weight = trainer.train_dataloader.sampler.share_weight(batch_idx)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Scale the gradient, and leave the loss as it is logged."""
        if (weight := self.weight) != 1:
            loss.register_hook(lambda gradient: gradient * weight)


def placement(hardware: Hardware) -> dict[str, Any]:
    """What Trainer takes to run where `hardware` says, or in the processes that torchrun has started."""
    devices, nodes = hardware.devices, hardware.nodes
    if launched():
        devices, nodes = processes_per_machine(), world_size() // processes_per_machine()
    accelerators = 0 if hardware.accelerator == "cpu" else torch.cuda.device_count()
    per_node = max(1, accelerators) if devices in ("auto", -1, "-1") else int(devices)
    strategy = hardware.strategy
    if strategy == "auto" and per_node * nodes > 1:
        strategy = "ddp_find_unused_parameters_true"  # encoders have poolers that nothing here reads
    # Torch has no synchronised batch norm for CPUs, where each process takes the statistics of its own share.
    return {
        "devices": devices,
        "num_nodes": nodes,
        "strategy": strategy,
        "sync_batchnorm": accelerators > 0 and per_node * nodes > 1,
    }
