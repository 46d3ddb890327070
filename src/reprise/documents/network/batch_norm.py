"""Batch norms measured anew on images, without changing what the network computes."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm


@torch.no_grad()
def recalibrate_batch_norm(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure batch norms' running statistics on images, without changing what the network computes with them.

    Weights whose statistics were folded away (mean 0, variance 1) compute nonsense as soon as batch norm trains, for it
    then normalises by the batch. Scale and offset are set so that with the measured statistics each layer is the same
    function as before.

    Args:
        network: changed in place, left in evaluation mode.
        batches: normalised images (B, 3, S, S).
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    moments = {module: (torch.zeros(()),) * 3 for module in norms}  # count, sum, sum of squares

    def measure(module: BatchNorm, inputs: tuple[Tensor, ...]) -> None:
        number, mean, variance = channel_statistics(inputs[0])
        count, total, squares = moments[module]
        moments[module] = (count + number, total + number * mean, squares + number * (variance + mean.square()))

    handles = [module.register_forward_pre_hook(measure) for module in norms]
    for images in batches:
        network(images)
    for handle in handles:
        handle.remove()
    for module, (count, total, squares) in moments.items():
        mean = total / count
        set_statistics(module, mean, (squares / count - mean.square()).clamp(min=0))


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
