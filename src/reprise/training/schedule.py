"""Learning rate schedules that step once an optimiser step and end where they should."""

import math
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def learning_rate_factor(
    step: int, total: int, warmup: int, schedule: Literal["constant", "linear", "cosine"]
) -> float:
    """The fraction of the peak learning rate that step `step` of `total` takes.

    It rises linearly over the first `warmup` steps, reaching 1 at step `warmup`, and then stays (constant) or falls to
    reach 0 at step `total`, one after the last.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    if schedule == "constant":
        return 1.0
    return 1.0 - progress if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))


def warmup_schedule(
    optimizer: Optimizer, total: int, warmup: float, schedule: Literal["constant", "linear", "cosine"]
) -> LambdaLR:
    """Schedule an optimiser's learning rates; to be stepped after every optimiser step.

    Args:
        optimizer: its learning rates are the peaks.
        total: number of optimiser steps.
        warmup: fraction of them.
        schedule: what follows the warm-up.
    """
    steps = round(warmup * total)
    return LambdaLR(optimizer, lambda step: learning_rate_factor(step, total, steps, schedule))
