"""Convolutions that do not learn, as a CPU computes them fastest for images of one size.

TensorFlow's "SAME" padding adds one row and column less at the front than at the back where the stride is two.
Convolutions pad alike on both sides, so timm copies every input into a padded one. A kernel with a row and a column of
zeros at its front gives the same from alike padding.

A ReLU after a convolution is one more pass over memory, which oneDNN's convolution can do on its way. It is called
directly also since torch, in one thread and at fewer than 16 images, leaves pointwise convolutions to slower kernels.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from timm.layers import Conv2dSame
from timm.layers.conv2d_same import conv2d_same
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.documents.network.fusion import agree, followed_by, learns

# What oneDNN's convolution can do with its outputs, with the numbers that it takes.
RELUS: dict[type[nn.Module], tuple[str, list[float]]] = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}


def geometry(convolution: nn.Conv2d) -> dict[str, Any]:
    """The arguments with which `nn.Conv2d` makes a convolution of the same shape."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    return {name: getattr(convolution, name) for name in names}


class FixedConvolution(nn.Conv2d):
    """A convolution, with the ReLU after it, that does not learn and is fast for inputs of one size.

    Args:
        convolution: with zeros as padding, and without dilation where it is "SAME"; its weights become this one's.
        size: (H, W) of the inputs.
        relu: one of `RELUS`; None: none.
    """

    def __init__(self, convolution: nn.Conv2d, size: tuple[int, int], relu: type[nn.Module] | None = None) -> None:
        super().__init__(**geometry(convolution), device="meta")
        self.weight, self.bias = convolution.weight.requires_grad_(False), convolution.bias
        self.plain: Callable[..., Tensor] = F.conv2d
        extended, self.margin = self.weight.detach(), self.padding
        if isinstance(convolution, Conv2dSame):
            left, right, top, bottom = pad_same_arg(list(size), list(self.kernel_size), list(self.stride))
            extended, self.margin = F.pad(extended, (right - left, 0, bottom - top, 0)), (bottom, right)
            self.plain = conv2d_same
        self.register_buffer("extended", extended, persistent=False)  # the weights, with zeros at their front
        self.size, self.relu = size, relu

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        if not self.direct(features):
            geometry = self.stride, self.padding, self.dilation, self.groups
            outputs = self.plain(features, self.weight, self.bias, *geometry)
            return outputs if self.relu is None else self.relu()(outputs)
        name, numbers = ("none", []) if self.relu is None else RELUS[self.relu]
        return torch.ops.mkldnn._convolution_pointwise(
            *(features, self.extended, self.bias, self.margin, self.stride, self.dilation, self.groups),
            *(name, numbers, ""),
        )

    def direct(self, features: Tensor) -> bool:
        """Whether oneDNN can be called, which has no gradients, no autocast and no place in an exported graph."""
        return (
            not torch.compiler.is_exporting()
            and features.shape[2:] == self.size
            and (features.device.type, features.dtype, self.weight.dtype) == ("cpu", torch.float32, torch.float32)
            and torch.backends.mkldnn.is_available()
            and not features.requires_grad
            and not torch.is_autocast_enabled("cpu")
        )


@torch.no_grad()
def fix_convolutions(network: nn.Module, example: Tensor) -> None:
    """Replace a network's convolutions, and the ReLUs after them, by what does the same faster at the example's size.

    Those that learn or take inputs of several sizes stay, and all of them where the network's outputs would change.

    Args:
        network: changed in place.
        example: (B, 3, S, S) that it takes.
    """
    probe = copy.deepcopy(network).eval()
    expected, sizes = probe(example), fixed_sizes(probe, example)
    followers = dict(followed_by(probe, example, tuple(RELUS)))
    relus = {name: relu for name, relu in followers.items() if type(probe.get_submodule(relu)) in RELUS}
    replace(probe, sizes, relus)
    if agree(probe(example), expected):
        replace(network, sizes, relus)


def fixed_sizes(network: nn.Module, example: Tensor) -> dict[str, tuple[int, int]]:
    """Names of the convolutions that can be replaced, each with the (H, W) of its inputs."""
    sizes: dict[str, set[tuple[int, int]]] = {}

    def enter(name: str, given: Tensor) -> None:
        sizes.setdefault(name, set()).add((given.shape[2], given.shape[3]))

    handles = [
        module.register_forward_pre_hook(lambda _, given, name=name: enter(name, given[0]))
        for name, module in network.named_modules()
        if replaceable(module)
    ]
    network(example)
    for handle in handles:
        handle.remove()
    return {name: next(iter(found)) for name, found in sizes.items() if len(found) == 1}


def replaceable(module: nn.Module) -> bool:
    if learns(module) or not isinstance(module, nn.Conv2d):
        return False
    if type(module) is Conv2dSame:
        return module.dilation == (1, 1)
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)


def replace(network: nn.Module, sizes: Mapping[str, tuple[int, int]], relus: Mapping[str, str]) -> None:
    for name, size in sizes.items():
        convolution = network.get_submodule(name)
        assert isinstance(convolution, nn.Conv2d)
        relu = type(network.get_submodule(relus[name])) if name in relus else None
        network.set_submodule(name, FixedConvolution(convolution, size, relu))
        if relu is not None:
            network.set_submodule(relus[name], nn.Identity())
