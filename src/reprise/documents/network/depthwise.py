"""Depthwise convolutions that learn, with gradients as a CPU computes them fastest.

oneDNN has a fast kernel for a depthwise convolution's weight gradient where the filter has at most three columns. For
wider ones it falls back to one that takes up to fifteen times as long: nearly half of EfficientNet-Lite0's backward
pass. A filter's columns do not meet in its gradient, so a wide filter's is that of narrower filters side by side.
"""

from typing import Any

import torch
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from reprise.documents.network.convolutions import geometry

WIDEST = 3  # columns of a filter for which oneDNN's kernel is the fast one


class _Convolve(torch.autograd.Function):
    """A depthwise convolution of features (B, C, H, W) with filters (C, 1, R, S), without dilation."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int]
    ) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(features, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = ctx.saved_tensors
        of_features = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_features = _backward(gradient, features, weight, ctx.stride, ctx.padding, (True, False))[0]
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(gradient, features, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_features, of_weight, of_bias, None, None


def _weight_gradient(
    gradient: Tensor, features: Tensor, weight: Tensor, stride: list[int], padding: list[int]
) -> Tensor:
    """The gradient (C, 1, R, S) of filters, a few columns at a time."""
    rows, columns = padding
    reach = (gradient.shape[3] - 1) * stride[1]  # from the first place of a filter to its last
    parts, start = [], 0
    for part in weight.split(WIDEST, dim=3):
        end = start + reach + part.shape[3]
        seen = F.pad(features, (columns - start, end - columns - features.shape[3]))  # (B, C, H, end - start)
        parts.append(_backward(gradient, seen, part, stride, [rows, 0], (False, True))[1])
        start += part.shape[3]
    return torch.cat(parts, dim=3)


def _backward(
    gradient: Tensor, features: Tensor, weight: Tensor, stride: list[int], padding: list[int], wanted: tuple[bool, bool]
) -> Any:
    """The gradients of the features and of the filters, where wanted."""
    return torch.ops.aten.convolution_backward(
        *(gradient, features, weight, None, stride, padding, [1, 1], False, [0, 0], len(weight), [*wanted, False])
    )


class DepthwiseConvolution(nn.Conv2d):
    """A depthwise convolution that learns fast on a CPU.

    Args:
        convolution: one that `suits`; its parameters are this one's, too.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(**geometry(convolution), device="meta")
        self.weight, self.bias = convolution.weight, convolution.bias
        self.same = isinstance(convolution, Conv2dSame)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (B, C, H, W)."""
        padding: Any = list(self.padding)
        if self.same:
            features, padding = pad_same(features, list(self.kernel_size), list(self.stride)), [0, 0]
        if torch.is_autocast_enabled(features.device.type):  # which casts what it knows, and no function of ours
            return F.conv2d(features, self.weight, self.bias, self.stride, padding, groups=self.groups)
        convolved: Tensor = _Convolve.apply(features, self.weight, self.bias, list(self.stride), padding)
        return convolved


def suits(module: nn.Module) -> bool:
    """Whether a module is a depthwise convolution that learns, with filters too wide for oneDNN's fast kernel."""
    if not isinstance(module, nn.Conv2d) or type(module) not in (nn.Conv2d, Conv2dSame):
        return False
    return (
        module.weight.requires_grad
        and module.groups == module.in_channels == module.out_channels
        and module.kernel_size[1] > WIDEST
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


def replace_depthwise(network: nn.Module) -> None:
    """Replace a network's depthwise convolutions that learn by what does the same faster. The network is changed."""
    for name, module in list(network.named_modules()):
        if suits(module):
            assert isinstance(module, nn.Conv2d)
            network.set_submodule(name, DepthwiseConvolution(module))
