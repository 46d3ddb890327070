"""Batch norms folded into the convolutions before them: the same function in fewer passes over memory.

In evaluation mode a batch norm multiplies and shifts each channel by constants, which the convolution before it can do
with its own weights. What else makes layers that do not learn faster on a CPU is in `reprise.documents.network.cpu`.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

TOLERANCE = 1e-3  # of the outputs' largest magnitude; rounding alone stays a hundred times below


def fold_batch_norms(network: nn.Module, example: Tensor) -> nn.Module:
    """Copy a network for inference, with every batch norm that follows a convolution folded into it.

    Args:
        network: stays as it is.
        example: (B, 3, S, S) that it takes; shows which layer follows which.

    Returns:
        The copy in evaluation mode, without gradients.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for names in foldable_pairs(network, example):
        fold(folded, *names)
    return folded


def fold_frozen(network: nn.Module, example: Tensor) -> nn.Module:
    """Copy a network for training, with the batch norms of layers that do not learn folded into their convolutions.

    Args:
        network: stays as it is.
        example: (B, 3, S, S) that it takes.

    Returns:
        The copy. What learns is not copied: its parameters and buffers are the network's own.
    """
    shared: dict[int, Any] = {id(weight): weight for weight in network.parameters() if weight.requires_grad}
    for module in network.modules():
        if learns(module):
            shared |= {id(buffer): buffer for buffer in module.buffers(recurse=False)}
    folded = copy.deepcopy(network, shared)
    for names in foldable_pairs(network, example):
        if not any(learns(network.get_submodule(name)) for name in names):
            fold(folded, *names)
    return folded


def learns(module: nn.Module) -> bool:
    """Whether one of a module's own parameters takes a gradient."""
    return any(weight.requires_grad for weight in module.parameters(recurse=False))


@torch.no_grad()
def foldable_pairs(network: nn.Module, example: Tensor) -> list[tuple[str, str]]:
    """Names of the convolutions and the batch norms that can be folded into them.

    None where folding all of them would change the function, as it does where a convolution's output is used elsewhere.
    """
    probe = copy.deepcopy(network).eval()
    expected, pairs = probe(example), followed_by(probe, example, BatchNorm)
    for names in pairs:
        fold(probe, *names)
    return pairs if agree(probe(example), expected) else []


def agree(outputs: Tensor, expected: Tensor) -> bool:
    """Whether outputs of a changed network are the expected ones but for rounding."""
    return bool((outputs - expected).abs().max() <= TOLERANCE * expected.abs().max())


def followed_by(
    network: nn.Module, example: Tensor, kinds: type[nn.Module] | tuple[type[nn.Module], ...]
) -> list[tuple[str, str]]:
    """Names of the convolutions whose output is the input of a layer of some kind, each with it, once used each."""
    produced: dict[tuple[int, int], str] = {}  # by the identity of the output, and how often it was changed in place
    kept: list[Tensor] = []  # so that no identity is used twice
    pairs: list[tuple[str, str]] = []
    calls: dict[str, int] = {}

    def leave_convolution(name: str, output: Tensor) -> None:
        produced[id(output), output._version] = name
        kept.append(output)
        calls[name] = calls.get(name, 0) + 1

    def enter_next(name: str, given: Tensor) -> None:
        calls[name] = calls.get(name, 0) + 1
        if (id(given), given._version) in produced:
            pairs.append((produced[id(given), given._version], name))

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(
                module.register_forward_hook(lambda _, __, output, name=name: leave_convolution(name, output))
            )
        elif isinstance(module, kinds):
            handles.append(module.register_forward_pre_hook(lambda _, given, name=name: enter_next(name, given[0])))
    network(example)
    for handle in handles:
        handle.remove()
    return [pair for pair in pairs if all(calls[name] == 1 for name in pair)]


def fold(network: nn.Module, convolution_name: str, norm_name: str) -> None:
    """Give a convolution what its batch norm does, and leave the norm's activation, if it has one, in its place."""
    convolution, norm = network.get_submodule(convolution_name), network.get_submodule(norm_name)
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    convolution.weight = nn.Parameter(weight, False)
    convolution.bias = nn.Parameter(bias, False)
    activation = getattr(norm, "act", None)  # timm's BatchNormAct2d
    network.set_submodule(norm_name, activation if isinstance(activation, nn.Module) else nn.Identity())
