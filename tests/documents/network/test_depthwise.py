"""Depthwise convolutions that learn: the outputs and gradients of torch's."""

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from reprise.documents.network.cpu import suit_cpu
from reprise.documents.network.depthwise import DepthwiseConvolution, replace_depthwise, suits
from reprise.documents.network.fusion import fold_frozen
from reprise.documents.network.model import freeze_blocks
from tests.documents.helpers import with_statistics


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize("kernel", [4, 5, 7, (3, 5), (5, 4)])
def test_gradients_are_torchs(kernel, stride, kind, layout):
    torch.manual_seed(0)
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = {} if kind is Conv2dSame else {"padding": (rows // 2, columns - 1)}
    plain = kind(6, 6, kernel, stride, groups=6, bias=kind is nn.Conv2d, **padding).double()
    fast = DepthwiseConvolution(copy.deepcopy(plain))
    images = torch.randn(3, 6, 11, 12).double().contiguous(memory_format=layout)
    found = []
    for layer in (plain, fast):
        given = images.clone().requires_grad_()
        outputs = layer(given)
        outputs.square().sum().backward()
        found.append([outputs, given.grad, *(weight.grad for weight in layer.parameters())])
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_a_network_learns_the_same(name):
    plain, images = with_statistics(name).double(), torch.randn(2, 3, 64, 64).double()
    network = copy.deepcopy(plain)
    for each in (plain, network):
        freeze_blocks(each, 2)
    fast = fold_frozen(network, images)
    suit_cpu(fast, images)
    assert any(isinstance(module, DepthwiseConvolution) for module in fast.modules())
    assert not any(getattr(module, "inplace", False) for module in fast.modules() if type(module) is not nn.ReLU)
    for each in (plain, fast):
        each(images).square().mean().backward()
    for (key, expected), weight in zip(plain.named_parameters(), network.parameters(), strict=True):
        assert (weight.grad is None) == (expected.grad is None), key
        if expected.grad is not None:
            torch.testing.assert_close(weight.grad, expected.grad, rtol=1e-6, atol=1e-8, msg=key)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, (7, 3), groups=4),
        nn.Conv2d(4, 4, 5, groups=2),
        nn.Conv2d(4, 8, 5, groups=4),
        nn.Conv2d(4, 4, 5, groups=4, dilation=2),
        nn.Conv2d(4, 4, 5, groups=4, padding="same"),
        nn.Conv2d(4, 4, 5, groups=4, padding=2, padding_mode="reflect"),
        nn.Conv2d(4, 4, 5, groups=4).requires_grad_(False),
    ],
)
def test_others_stay_as_they_are(layer):
    network = nn.Sequential(layer)
    replace_depthwise(network)
    assert network[0] is layer
    assert not suits(layer)


def test_autocast_casts_as_before():
    plain = nn.Conv2d(4, 4, 5, groups=4)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = DepthwiseConvolution(plain)(torch.randn(2, 4, 8, 8))
    assert outputs.dtype is torch.bfloat16
