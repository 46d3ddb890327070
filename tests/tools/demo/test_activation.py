"""Class-activation maps: a hand-made network, a naive LayerCAM, tokens and channels-last features."""

import types
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from reprise.tools.demo import activation
from reprise.tools.demo.activation import feature_layers, spatial
from reprise.tools.demo.pages import image_of, mean_activation, open_pages
from tests.documents.helpers import draw_page
from tests.tools.demo.helpers import write_pages

pytest.importorskip("torchcam", reason="comes with `make demo`")


def map_of(model, image, target) -> Any:
    return activation.activation_map(model, image, target)


class Bright(nn.Module):
    """Class 0 is what is bright, class 1 what is dark, by a mean over patches of 8 x 8."""

    feature_info = ({"module": "patches", "reduction": 8, "num_chs": 2},)

    def __init__(self):
        super().__init__()
        self.patches = nn.AvgPool2d(8)

    def forward(self, images):
        patches = self.patches(images).mean(1)  # (B, h, w)
        return torch.stack([patches.square().mean((1, 2)), (1 - patches).square().mean((1, 2))], 1)


class Plain(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)


def model_of(network, image_size) -> Any:
    return types.SimpleNamespace(classifier=Plain(network), recipe=types.SimpleNamespace(image_size=image_size))


def test_it_is_high_where_the_class_is():
    image = torch.zeros(1, 3, 64, 64)
    image[:, :, 8:24, 40:48] = 1  # two patches
    heat = map_of(model_of(Bright(), 64), image, 0)
    expected = np.zeros((8, 8))
    expected[1:3, 5] = 1
    assert heat == pytest.approx(expected, abs=1e-6)


def test_it_is_layercam_as_the_paper_has_it(monkeypatch):
    """ReLU of the sum over channels of ReLU(gradient) times activation, scaled to [0, 1]."""
    monkeypatch.setattr(activation, "COARSEST", 1)
    monkeypatch.setattr(activation, "FINE_ENOUGH", 1)
    torch.manual_seed(0)
    network: Any = timm.create_model("test_resnet", num_classes=3).eval()
    image = torch.rand(1, 3, 64, 64)
    heat = map_of(model_of(network, 64), image, 1)
    kept: dict[str, Any] = {}
    network.layer4.register_forward_hook(lambda _, __, output: kept.update(a=output))
    score = network(image)[0, 1]
    gradient = torch.autograd.grad(score, kept["a"])[0]
    cam = (gradient.relu() * kept["a"]).sum(1).relu()[0].detach().numpy()
    assert heat.shape == (2, 2)
    assert heat == pytest.approx((cam - cam.min()) / (cam.max() - cam.min()), abs=1e-5)


@pytest.mark.parametrize(
    ("reductions", "size", "expected"),
    [
        ((2, 4, 8, 16, 32), 64, ["layer16", "layer8"]),  # 4 and 8 places a side
        ((2, 4, 8, 16, 32), 160, ["layer32", "layer16"]),
        ((4, 8, 16, 32), 384, ["layer32"]),
        ((16, 16, 16), 224, ["layer16"]),  # of a vision transformer: the last block
        ((32,), 64, ["layer32"]),  # there is no other
    ],
)
def test_layers_are_taken_until_one_is_fine_enough(reductions, size, expected):
    network: Any = nn.Module()
    for reduction in reductions:
        network.add_module(f"layer{reduction}", nn.Identity())
    network.feature_info = [{"module": f"layer{reduction}", "reduction": reduction} for reduction in reductions]
    assert feature_layers(network, size) == expected
    assert feature_layers(nn.Linear(1, 1), size) == []


def test_features_are_laid_out_however_the_network_has_them():
    values = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    convolutional: Any = types.SimpleNamespace()
    assert (spatial(convolutional, 64)(values) == values).all()
    swin: Any = types.SimpleNamespace(output_fmt="NHWC")
    assert (spatial(swin, 64)(values.permute(0, 2, 3, 1)) == values).all()
    tokens = torch.cat([torch.zeros(2, 1, 3), values.flatten(2).transpose(1, 2)], 1)
    transformer: Any = types.SimpleNamespace(num_prefix_tokens=1)
    assert (spatial(transformer, 64)(tokens) == values).all()


@pytest.mark.parametrize(("name", "size"), [("test_vit", 160), ("test_efficientnet", 64), ("test_convnext", 64)])
def test_any_kind_of_network_has_a_map(name, size):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval().requires_grad_(False)
    heat = map_of(model_of(network, size), torch.rand(1, 3, size, size), 2)
    assert heat.ndim == 2
    assert heat.shape[0] == heat.shape[1] >= 2
    assert np.isfinite(heat).all()


def test_a_network_that_does_not_tell_its_layers_has_none():
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    assert map_of(model_of(network, 2), torch.rand(1, 3, 2, 2), 0) is None


def test_folds_are_averaged_and_the_weights_stay_frozen(tmp_path):
    write_pages(tmp_path)
    ensemble = open_pages(tmp_path).ensemble
    stored = np.asarray(draw_page("bars", 0, 36))
    each = [map_of(model, image_of(stored, 3, 32), 1) for model in ensemble.folds.values()]
    assert mean_activation(stored, 3, 1, ensemble) == pytest.approx((each[0] + each[1]) / 2)
    classifier = ensemble.folds[0].classifier
    assert not any(parameter.requires_grad for parameter in classifier.parameters())
    assert not any(module._forward_hooks for module in classifier.modules())
