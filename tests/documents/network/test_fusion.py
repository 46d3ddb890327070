"""Folded batch norms: the same function, and the same learning where layers are frozen."""

import copy

import pytest
import timm
import torch
from torch import nn

from reprise.documents.network.fusion import fold_batch_norms, fold_frozen
from reprise.documents.network.model import freeze_blocks
from tests.documents.helpers import with_statistics


def norms_of(network):
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_050", "resnet10t", "regnetx_002"])
def test_every_norm_is_folded_and_the_function_stays(name):
    network, images = with_statistics(name), torch.randn(3, 3, 64, 64)
    folded = fold_batch_norms(network, images[:2])
    assert norms_of(network)
    assert not norms_of(folded)
    with torch.no_grad():
        torch.testing.assert_close(folded(images), network(images), rtol=1e-4, atol=1e-4)


class Branching(nn.Module):
    """A convolution whose output goes elsewhere too, so that folding its norm would change the function."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        nn.init.constant_(self.norm.running_mean, 2.0)  # type: ignore[arg-type]

    def forward(self, images):
        features = self.convolution(images)
        return self.norm(features) + features


def test_what_cannot_be_folded_stays():
    network, images = Branching().eval(), torch.randn(2, 3, 4, 4)
    folded = fold_batch_norms(network, images)
    assert len(norms_of(folded)) == 1
    assert torch.equal(folded(images), network(images))


def test_networks_without_norms_stay():
    network, images = timm.create_model("vit_tiny_patch16_224", num_classes=3).eval(), torch.randn(2, 3, 224, 224)
    assert torch.equal(fold_batch_norms(network, images)(images), network(images))


def test_a_folded_copy_learns_as_the_network_does():
    plain, images = with_statistics("tf_efficientnet_lite0").double(), torch.randn(4, 3, 64, 64).double()
    network = copy.deepcopy(plain)
    freeze_blocks(network, 3)
    folded = fold_frozen(network, images)
    assert 0 < len(norms_of(folded)) < len(norms_of(network))
    for trained in (plain, folded):
        trained.train()
    for norm in freeze_blocks(plain, 3):
        norm.eval()
    optimizers = [torch.optim.SGD([w for w in each.parameters() if w.requires_grad], 0.01) for each in (plain, network)]
    for trained, optimizer in zip((plain, folded), optimizers, strict=True):
        for _ in range(2):
            optimizer.zero_grad()
            trained(images).square().mean().backward()
            optimizer.step()
    for (name, expected), value in zip(plain.state_dict().items(), network.state_dict().values(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-8, msg=name)
