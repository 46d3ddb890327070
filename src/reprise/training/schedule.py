"""Learning rates over a training: a linear warm-up, then constant, linear or cosine. And whether AdamW is fused."""

from typing import Any

from lightning.pytorch import Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from reprise.core.recipe import Schedule, TrainParams


def warmup_schedule(optimizer: Optimizer, total: int, warmup: float, schedule: Schedule) -> LRScheduler:
    """Schedule an optimiser's learning rates with torch's schedulers; to be stepped after every optimiser step.

    The rate rises linearly and reaches its peak at step `warmup * total`. Then it stays (constant), or falls to reach 0
    at step `total`, one after the last.

    Args:
        optimizer: its learning rates are the peaks.
        total: number of optimiser steps.
        warmup: fraction of them.
        schedule: what follows the warm-up.
    """
    steps = round(warmup * total)
    rest = max(1, total - steps)
    after: LRScheduler
    if steps:
        rise = LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps)
    if schedule == "cosine":
        after = CosineAnnealingLR(optimizer, rest)
    elif schedule == "linear":
        after = LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=rest)
    else:
        after = ConstantLR(optimizer, factor=1.0, total_iters=0)
    return SequentialLR(optimizer, [rise, after], [steps]) if steps else after


def with_schedule(optimizer: Optimizer, trainer: Trainer, params: TrainParams) -> Any:
    """Make what `configure_optimizers` returns: the optimiser, and the recipe's schedule stepped with it."""
    total = int(trainer.estimated_stepping_batches)
    schedule = warmup_schedule(optimizer, total, params.warmup, params.schedule)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fusible(params: TrainParams) -> bool:
    """Whether torch's fused AdamW, the faster one, can be used.

    In float16 its step undoes the scaling of gradients itself, so that they would be clipped before that.
    """
    return params.precision != "16-mixed"
