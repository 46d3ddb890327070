"""Convolutions for images of one size: the same outputs and gradients as the unchanged networks of timm."""

import copy
import io

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from reprise.documents.network.convolutions import FixedConvolution, fix_convolutions
from reprise.documents.network.cpu import suit_cpu
from reprise.documents.network.fusion import fold_batch_norms, fold_frozen
from reprise.documents.network.model import freeze_blocks
from reprise.documents.network.parts import part_frozen
from tests.documents.helpers import with_statistics


def kinds_of(network):
    return [type(module) for module in network.modules()]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(64, 64), (65, 46)])
@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_mobilenetv3_small_minimal_100", "resnet10t"])
def test_outputs_are_those_of_the_network(name, size, layout):
    network, images = with_statistics(name), torch.randn(10, 3, *size).contiguous(memory_format=layout)
    fast = fold_batch_norms(network, images[:2]).to(memory_format=layout)
    suit_cpu(fast, images[:2])
    assert FixedConvolution in kinds_of(fast)
    assert {Conv2dSame, nn.Conv2d, nn.BatchNorm2d}.isdisjoint(kinds_of(fast))
    with torch.inference_mode():
        for part in (images[:1], images):
            torch.testing.assert_close(fast(part), network(part), rtol=1e-4, atol=1e-4)


def test_relus_after_convolutions_are_theirs():
    network, images = with_statistics("tf_efficientnet_lite0"), torch.randn(2, 3, 64, 64)
    fast = fold_batch_norms(network, images)
    fix_convolutions(fast, images)
    assert nn.ReLU6 not in kinds_of(fast)


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, (3, 5)])
@pytest.mark.parametrize("stride", [1, 2, 3, (1, 2)])
def test_a_padded_convolution_is_exact_to_rounding(kernel, stride):
    torch.manual_seed(0)
    for size in ((7, 7), (8, 8), (9, 12)):
        same, images = Conv2dSame(4, 6, kernel, stride, groups=2).requires_grad_(False), torch.randn(3, 4, *size)
        expected = same(images)
        torch.testing.assert_close(FixedConvolution(same, size)(images), expected)
        torch.testing.assert_close(FixedConvolution(same, size, nn.ReLU6)(images), expected.clamp(0, 6))
        torch.testing.assert_close(FixedConvolution(same, size, nn.ReLU)(images), expected.clamp(min=0))


def test_a_network_with_frozen_layers_learns_the_same():
    plain, images = with_statistics("tf_mobilenetv3_small_minimal_100").double(), torch.randn(2, 3, 64, 64).double()
    network = copy.deepcopy(plain)
    for each in (plain, network):
        freeze_blocks(each, 2)
    fast = fold_frozen(network, images)
    suit_cpu(fast, images[:2])
    assert {FixedConvolution, nn.Conv2d} <= set(kinds_of(fast))
    for each in (plain, fast):
        each(images).square().mean().backward()
    for (name, expected), weight in zip(plain.named_parameters(), network.parameters(), strict=True):
        assert (weight.grad is None) == (expected.grad is None), name
        if expected.grad is not None:
            torch.testing.assert_close(weight.grad, expected.grad, rtol=1e-6, atol=1e-8, msg=name)


def test_frozen_layers_give_the_same_to_those_that_learn():
    plain, images = with_statistics("tf_efficientnet_lite0"), torch.randn(10, 3, 64, 64)
    freeze_blocks(plain, 3)
    fast = fold_frozen(plain, images[:2])
    suit_cpu(fast, images[:2])
    torch.testing.assert_close(fast(images), plain(images), rtol=1e-4, atol=1e-4)


def test_gradients_pass_through():
    same, images = Conv2dSame(3, 4, 3, 2).requires_grad_(False), torch.randn(2, 3, 8, 8)
    gradients = []
    for layer in (nn.Sequential(same, nn.ReLU6()), FixedConvolution(same, (8, 8), nn.ReLU6)):
        given = images.clone().requires_grad_()
        layer(given).square().sum().backward()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients)


def test_autocast_and_double_precision():
    same, images = Conv2dSame(3, 4, 3, 2).requires_grad_(False), torch.randn(2, 3, 8, 8)
    fixed = FixedConvolution(same, (8, 8))
    with torch.autocast("cpu"):
        torch.testing.assert_close(fixed(images), same(images))
    torch.testing.assert_close(fixed.double()(images.double()), same.double()(images.double()))


def test_other_sizes_are_padded_as_timm_pads_them():
    same, images = Conv2dSame(3, 4, 3, 2).requires_grad_(False), torch.randn(1, 3, 9, 9)
    torch.testing.assert_close(FixedConvolution(same, (8, 8))(images), same(images))


class Unusual(nn.Module):
    """A convolution for two sizes, a dilated one, one that learns, and one that is like any other."""

    def __init__(self):
        super().__init__()
        self.twice, self.dilated = Conv2dSame(3, 3, 3, 2), Conv2dSame(3, 3, 3, dilation=2)
        self.learning, self.usual = Conv2dSame(3, 3, 3, 2), Conv2dSame(3, 3, 3)
        for module in (self.twice, self.dilated, self.usual):
            module.requires_grad_(False)

    def forward(self, images):
        return self.learning(self.usual(self.dilated(self.twice(self.twice(images)))))


def test_unusual_convolutions_stay():
    network, images = Unusual(), torch.randn(2, 3, 33, 33)
    expected = network(images)
    fix_convolutions(network, images)
    assert [type(module) for module in network.children()] == [*[Conv2dSame] * 3, FixedConvolution]
    torch.testing.assert_close(network(images), expected)


class Branching(nn.Module):
    """A convolution whose output goes elsewhere than to the ReLU after it, too."""

    def __init__(self):
        super().__init__()
        self.convolution, self.relu = nn.Conv2d(3, 3, 1), nn.ReLU()

    def forward(self, images):
        features = self.convolution(images)
        return self.relu(features) - features


def test_networks_whose_function_would_change_stay():
    network, images = Branching().requires_grad_(False), torch.randn(2, 3, 4, 4)
    fix_convolutions(network, images)
    assert kinds_of(network) == [Branching, nn.Conv2d, nn.ReLU]


def test_copies_and_files_of_it_work():
    network, images = with_statistics("tf_efficientnet_lite0"), torch.randn(9, 3, 64, 64)
    fast = fold_batch_norms(network, images[:2])
    fix_convolutions(fast, images[:2])
    part_frozen(fast, images[:2], 4, 0)
    file = io.BytesIO()
    torch.save(fast, file)
    file.seek(0)
    with torch.inference_mode():
        expected = fast(images)
        for other in (copy.deepcopy(fast), torch.load(file, weights_only=False)):
            assert torch.equal(other(images), expected)


def test_an_exported_graph_has_nothing_of_one_processor():
    network, images = with_statistics("tf_efficientnet_lite0"), torch.randn(9, 3, 64, 64)
    fast = fold_batch_norms(network, images[:2])
    fix_convolutions(fast, images[:2])
    part_frozen(fast, images[:2], 4, 0)
    exported = torch.export.export(fast, (images,), dynamic_shapes=[{0: torch.export.Dim("batch", min=1)}])
    names = {str(node.target) for node in exported.graph.nodes}
    assert not [name for name in names if "mkldnn" in name or "split" in name]
    torch.testing.assert_close(exported.module()(images[:3]), network(images[:3]), rtol=1e-4, atol=1e-4)
