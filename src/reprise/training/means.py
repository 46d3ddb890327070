"""Means over an epoch's examples, however many of them each process has."""

from lightning.pytorch import LightningModule
from torch import Tensor


def log_mean(module: LightningModule, name: str, value: Tensor, count: int) -> None:
    """Log the mean over all examples of an epoch and all processes.

    Args:
        module: that is trained.
        name: of the metric.
        value: () mean over this process's share of a batch.
        count: examples of the share.
    """
    # A float: Lightning (up to 2.7) averages the count over the processes, and of an integer cuts the fraction off.
    size: int = float(count)  # type: ignore[assignment]
    module.log(name, value, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
