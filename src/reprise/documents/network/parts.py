"""Frozen layers that take a batch part by part, so that what they compute stays in the processor's cache.

A batch of the size that suits the other layers has wide ones wait for memory. What does not learn treats each image
alone, and can take the batch in any parts.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


def part_frozen(network: nn.Module, example: Tensor, size: int, wide: int) -> None:
    """Make the modules around wide layers process their batches in parts, where they are frozen as a whole.

    Modules that take or give anything but one batch of tensors, or run more than once, stay as they are.

    Args:
        network: changed in place; its batch norms that do not learn are in evaluation mode.
        example: (B, 3, S, S) that it takes; shows what goes into each module and comes out.
        size: images of a part.
        wide: bytes of a layer's output for one image from which the module that the layer is part of takes parts.
    """
    modules = dict(frozen_modules(network))
    calls: dict[str, list[bool]] = {name: [] for name in modules}
    around: set[str] = set()

    def note(name: str, given: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        tensors = (*given, *named.values(), output)
        alone = len(tensors) == 2 and all(isinstance(t, Tensor) and len(t) == len(example) for t in tensors)
        calls[name].append(alone)
        if alone and not any(modules[name].children()) and output.nbytes >= wide * len(example):
            around.add(name.rpartition(".")[0])

    handles = [
        module.register_forward_hook(
            lambda _, given, named, output, name=name: note(name, given, named, output), with_kwargs=True
        )
        for name, module in modules.items()
    ]
    training = {module: module.training for module in network.modules()}
    with torch.no_grad():
        network.eval()(example)
    for module, mode in training.items():
        module.training = mode
    for handle in handles:
        handle.remove()
    for name in around & modules.keys():
        if calls[name] == [True]:
            modules[name].forward = functools.partial(_in_parts, modules[name].forward, size)


def frozen_modules(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules inside a network that have parameters, none of which takes a gradient, with their names."""
    for name, module in network.named_modules():
        parameters = list(module.parameters())
        if name and parameters and not any(parameter.requires_grad for parameter in parameters):
            yield name, module


def _in_parts(forward: Callable[[Tensor], Tensor], size: int, images: Tensor) -> Tensor:
    if torch.compiler.is_exporting() or len(images) <= size:  # in this order: a graph takes any number of images
        return forward(images)
    return torch.cat([forward(part) for part in images.split(size)])
