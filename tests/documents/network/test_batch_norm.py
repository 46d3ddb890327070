from typing import Any

import pytest
import torch
from torch import nn

from reprise.documents.network.batch_norm import channel_statistics, recalibrated_batch_norms
from reprise.documents.network.model import build_network, freeze_blocks
from tests.documents.helpers import tiny_recipe


def test_recalibration_measures_batch_norm_and_keeps_the_function():
    torch.manual_seed(0)
    network = build_network(tiny_recipe(), 3).eval()
    images = torch.rand(32, 3, 64, 64)
    with torch.no_grad():
        before = network(images)
        with recalibrated_batch_norms(network):
            for part in images.split(8):
                network(part)
        assert torch.allclose(network(images), before, atol=1e-3 * before.abs().max().item())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.Module, torch.Tensor] = {}
    handles = [
        norm.register_forward_pre_hook(lambda module, inputs: seen.__setitem__(module, inputs[0])) for norm in norms
    ]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert torch.allclose(norm.running_mean, seen[norm].mean((0, 2, 3)), atol=1e-4)
        assert torch.allclose(norm.running_var, seen[norm].var((0, 2, 3), correction=0), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 5, 7, 3), (1, 4, 1, 1), (2, 3, 1, 1)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_channel_statistics_are_those_of_float64(shape, memory_format):
    features = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 20).to(memory_format=memory_format)
    number, mean, variance = channel_statistics(features)
    assert number == shape[0] * shape[2] * shape[3]
    expected, expected_mean = torch.var_mean(features.double(), (0, 2, 3), correction=0)
    assert torch.allclose(mean, expected_mean, rtol=1e-5)
    assert torch.allclose(variance, expected, rtol=1e-4, atol=1e-8)


def test_norms_that_do_not_learn_stay():
    network = build_network(tiny_recipe(), 3).eval()
    frozen = set(freeze_blocks(network, 2))
    norms: list[Any] = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    with torch.no_grad(), recalibrated_batch_norms(network):
        network(torch.rand(8, 3, 64, 64))
    assert 0 < len(frozen) < len(norms)
    for norm, mean in zip(norms, before, strict=True):
        assert torch.equal(norm.running_mean, mean) == (norm in frozen)
