import re

import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import load_detector, save_detector
from tests.deepfake.helpers import tiny_recipe


@pytest.mark.parametrize("name", ["small", "wav2vec2-tiny"])
def test_a_saved_detector_needs_nothing_but_its_file(tmp_path, name):
    recipe = tiny_recipe(name)
    detector = Detector(recipe).eval()
    save_detector(tmp_path / "d.safetensors", detector, recipe, 1)
    loaded, again = load_detector(tmp_path / "d.safetensors")
    samples = torch.randn(2, 8000)
    assert torch.equal(loaded(samples).logits, detector(samples).logits)
    assert again == recipe
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda told: {key: told[key] for key in told if key != "recipe"}, "recipe: missing"),
        (lambda told: told | {"task": "deepfake-explainer"}, "task: input should be 'deepfake-detector'"),
        (lambda told: told | {"ssl_config": {"model_type": "wav2vec2"}}, "front_end lfcc with ssl_config"),
        (lambda told: told | {"recipe": told["recipe"] | {"front_end": "ssl"}}, "front_end ssl with ssl_config None"),
        (
            lambda told: told | {"recipe": told["recipe"] | {"embedding": 10**9}},
            "recipe.embedding: input should be less",
        ),
        (lambda told: told | {"recipe": told["recipe"] | {"embedding": 32}}, "the model has"),
        (
            lambda told: told | {"recipe": told["recipe"] | {"encoders": 2}},
            "does not fit the model; missing: blocks.1.",
        ),
        (lambda told: told | {"recipe": "small"}, "recipe: input should be a valid dictionary"),
        (lambda told: told | {"more": 1}, "more: unknown key"),
    ],
)
def test_a_description_that_does_not_fit_is_one_line(tmp_path, spoil, message):
    recipe = tiny_recipe()
    save_detector(tmp_path / "d.safetensors", Detector(recipe), recipe, 1)
    tensors, told = load_model(tmp_path / "d.safetensors")
    save_model(tmp_path / "d.safetensors", tensors, spoil(told))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load_detector(tmp_path / "d.safetensors")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "wav2vec2", "num_hidden_layers": 10**9}, "num_hidden_layers: 1000000000; expected at most"),
        ({"model_type": "wav2vec2", "hidden_size": 10**12}, "1000000000000; expected at most"),
        ({"model_type": "none"}, "ssl_config cannot be loaded: Unrecognized model identifier: none"),
        ({"model_type": 5}, "ssl_config cannot be loaded: "),
        ({}, "ssl_config cannot be loaded: "),
        ({"model_type": "wav2vec2", "conv_dim": "wide"}, "ssl_config cannot be loaded: "),
    ],
)
def test_an_encoder_that_cannot_be_is_one_line_and_no_hub_is_asked(tmp_path, config, message):
    recipe = tiny_recipe("wav2vec2-tiny")
    save_detector(tmp_path / "d.safetensors", Detector(recipe), recipe, 1)
    tensors, told = load_model(tmp_path / "d.safetensors")
    save_model(tmp_path / "d.safetensors", tensors, told | {"ssl_config": config})
    with pytest.raises(InputError, match=message) as caught:
        load_detector(tmp_path / "d.safetensors")
    assert "\n" not in str(caught.value)


def test_without_a_detector_the_line_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="train the detector first: dvc repro deepfake-detector"):
        load_detector(tmp_path / "none.safetensors")
