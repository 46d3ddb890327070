"""Batch norms measured anew on images, without changing what the network computes."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from reprise.documents.network.fusion import learns


@contextlib.contextmanager
def recalibrated_batch_norms(network: nn.Module) -> Iterator[None]:
    """Measure batch norms' running statistics on the images that a network sees inside the block.

    Weights whose statistics were folded away (mean 0, variance 1) compute nonsense as soon as batch norm trains, for it
    then normalises by the batch. Scale and offset are set so that with the measured statistics each layer is the same
    function as before. Norms that do not learn are left as they are: nobody would see a difference.

    Args:
        network: put into evaluation mode; its norms are changed at the end of the block.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, BatchNorm) and learns(module)]
    moments = {module: (torch.zeros(()),) * 3 for module in norms}  # count, sum, sum of squares

    def measure(module: BatchNorm, inputs: tuple[Tensor, ...]) -> None:
        number, mean, variance = channel_statistics(inputs[0])
        count, total, squares = moments[module]
        moments[module] = (count + number, total + number * mean, squares + number * (variance + mean.square()))

    handles = [module.register_forward_pre_hook(measure) for module in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    for module, (count, total, squares) in moments.items():
        mean = total / count
        set_statistics(module, mean, (squares / count - mean.square()).clamp(min=0))


@torch.no_grad()
def channel_statistics(features: Tensor) -> tuple[int, Tensor, Tensor]:
    """Values a channel of features (B, C, H, W), their mean (C,) and variance (C,), in float64.

    The kernel with which batch norm measures a batch computes them, many times as fast as `torch.var_mean` where
    channels lie last in memory.
    """
    number = features.numel() // features.shape[1]
    mean, variance = torch.zeros(2, features.shape[1], device=features.device).unbind()
    if number == 1:  # which the kernel refuses
        return number, features.flatten().double(), variance.double()
    torch.batch_norm_update_stats(features, mean, variance, 1.0)  # momentum 1: those of this batch alone
    return number, mean.double(), variance.double() * (number - 1) / number  # the kernel's is the unbiased one


@torch.no_grad()
def set_statistics(norm: BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Give a batch norm new running statistics, and the scale and offset with which it computes what it did."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    old_scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    new_deviation = (variance + norm.eps).sqrt()
    norm.bias.copy_(norm.bias.double() + (mean - norm.running_mean.double()) * old_scale)
    norm.weight.copy_(old_scale * new_deviation)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
