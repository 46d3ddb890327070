"""Seconds and memory of an epoch, numbers of parameters, and quantiles of weights and gradients."""

import resource
import time
from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from reprise.training.sampler import EpochBatchSampler

SHARES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)  # of the quantiles
MOST_VALUES = 2**20  # that quantiles are taken of; of larger models every n-th value


class EpochMeter(Callback):
    """Measures each epoch's seconds, examples a second of its training part, and the peak of memory so far.

    Args:
        examples: of an epoch's training part, over all processes.
    """

    def __init__(self, examples: int) -> None:
        self.examples = examples
        self.started = self.trained = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started, self.trained = time.perf_counter(), 0.0

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of the training part."""
        wait_for_device(pl_module)
        self.trained = self.trained or time.perf_counter()

    def figures(self, module: LightningModule) -> dict[str, float]:
        """The figures of the epoch that ends now."""
        wait_for_device(module)
        now = time.perf_counter()
        training = (self.trained or now) - self.started
        return {
            "seconds": round(now - self.started, 3),
            "examples_per_second": round(self.examples / max(training, 1e-9), 1),
            "peak_memory_mib": peak_memory_mib(module.device),
        }


def wait_for_device(module: LightningModule) -> None:
    """Let a GPU finish what it was asked to do, so that the clock counts it."""
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)


def peak_memory_mib(device: torch.device) -> float:
    """Peak memory of a CUDA device's tensors; elsewhere of this process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)  # KiB on Linux -> MiB


def examples_of_epoch(loader: "DataLoader[Any]") -> int:
    """Training examples of an epoch of a loader that `sampler.epoch_loader` made."""
    sampler = loader.sampler
    assert isinstance(sampler, EpochBatchSampler)
    if sampler.batches == sampler.batches_in_pass:
        return sampler.length
    return sampler.batches * min(sampler.batch_size, sampler.length)


def count_parameters(module: nn.Module) -> dict[str, int]:
    """Parameters, and how many of them learn."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
    return {
        "parameters": sum(size for size, _ in sizes),
        "trainable_parameters": sum(size for size, learns in sizes if learns),
    }


def quantiles(tensors: Iterable[Tensor]) -> dict[str, float]:
    """Quantiles of all values of some tensors: share, such as "0.25" -> value; empty where there are no values."""
    parts = [tensor.detach().flatten() for tensor in tensors]
    total = sum(map(len, parts))
    if not total:
        return {}
    step = -(-total // MOST_VALUES)
    values = torch.cat([part[::step].float().cpu() for part in parts])
    found = values.quantile(torch.tensor(SHARES)).tolist()
    return {f"{share:g}": value for share, value in zip(SHARES, found, strict=True)}
