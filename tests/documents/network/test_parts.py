"""Frozen layers that take their batches in parts: the same function and the same gradients."""

import copy

import pytest
import timm
import torch
from torch import nn

from reprise.documents.network.fusion import fold_frozen
from reprise.documents.network.model import freeze_blocks
from reprise.documents.network.parts import frozen_modules, part_frozen


def frozen_network(name, blocks):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3)
    for norm in freeze_blocks(network, blocks):
        norm.eval()
    return network


def batches_of(module):
    """Sizes of the batches that a module takes from now on."""
    sizes = []
    module.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    return sizes


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_outputs_and_gradients_stay(name):
    size = 224 if name.startswith("vit") else 64
    network, images = frozen_network(name, 2).double(), torch.randn(5, 3, size, size).double()
    parted = copy.deepcopy(network)
    part_frozen(parted, images[:2], 2, 0)
    outputs = [each(images) for each in (network, parted)]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-6, atol=1e-8)
    for output in outputs:
        output.square().mean().backward()
    for (weight_name, weight), (_, own) in zip(network.named_parameters(), parted.named_parameters(), strict=True):
        assert (weight.grad is None) == (own.grad is None), weight_name
        if weight.grad is not None:
            torch.testing.assert_close(own.grad, weight.grad, rtol=1e-6, atol=1e-8)


def test_frozen_blocks_with_a_wide_layer_take_parts():
    network, example = frozen_network("tf_efficientnet_lite0", 4), torch.randn(2, 3, 64, 64)
    network = fold_frozen(network, example)
    layers = [network.get_submodule(f"blocks.{name}.conv_pw") for name in ("1.0", "1.1", "3.0")]
    part_frozen(network, example, 4, 4 * 96 * 32 * 32)  # bytes of what the first of these layers gives
    sizes = [batches_of(layer) for layer in layers]
    network(torch.randn(10, 3, 64, 64))
    assert sizes == [[4, 4, 2], [10], [10]]


def test_what_learns_takes_whole_batches():
    network, example = frozen_network("tf_efficientnet_lite0", 3), torch.randn(2, 3, 64, 64)
    part_frozen(network, example, 4, 0)
    frozen, learned = batches_of(network.get_submodule("blocks.1.1.conv_pw")), batches_of(network.blocks[2])
    network(torch.randn(10, 3, 64, 64))
    assert (frozen, learned) == ([4, 4, 2], [10])


def test_modes_stay():
    network = frozen_network("mobilenetv3_small_050", 2)
    modes = [module.training for module in network.modules()]
    part_frozen(network, torch.randn(2, 3, 64, 64), 4, 0)
    assert [module.training for module in network.modules()] == modes


def test_frozen_modules():
    names = {name for name, _ in frozen_modules(frozen_network("mobilenetv3_small_050", 3))}
    assert {"conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.1.0", "blocks.1.0.conv_pw"} <= names
    assert names.isdisjoint({"", "blocks", "blocks.2", "act1", "classifier"})


class Sum(nn.Module):
    """A layer that takes two tensors."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, values, others):
        return self.layer(values + others)


class Twice(nn.Module):
    """Frozen modules: one that runs twice, and one that takes two tensors."""

    def __init__(self):
        super().__init__()
        self.twice, self.pair, self.head = nn.Sequential(nn.Linear(4, 4)), Sum(), nn.Linear(4, 2)
        for module in (self.twice, self.pair):
            module.requires_grad_(False)

    def forward(self, values):
        return self.head(self.pair(self.twice(values), self.twice(values + 1)))


def test_unusual_layers_take_whole_batches():
    network = Twice()
    part_frozen(network, torch.randn(2, 4), 1, 0)
    sizes = batches_of(network.twice[0]), batches_of(network.pair.layer)
    network(torch.randn(3, 4))
    assert sizes == ([3, 3], [3])
