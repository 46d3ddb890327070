from typing import Any

import numpy as np
import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.params import parse_params
from reprise.deepfake.detector.features import FILTERS
from reprise.deepfake.detector.front_ends import CepstralFrontEnd, SelfSupervisedFrontEnd
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.recipe import Recipe
from tests.conftest import WAV2VEC2_TINY, read_params
from tests.deepfake.helpers import speech, tiny_recipe

ENERGIES = torch.randn(2, 30, FILTERS, generator=torch.Generator().manual_seed(0))


READ: dict[str, Any] = {
    "front_end": "logmel",
    "embedding": 24,
    "encoders": 2,
    "heads": 4,
    "kernel": 9,
    "statistics_branch": False,
    "loss": "cross_entropy",
    "one_class_dimensions": 8,
}


@pytest.mark.parametrize("key", READ)
def test_every_key_of_the_networks_shape_is_read(key):
    both: list[dict[str, Any]] = [{}, {key: READ[key]}]
    shapes = [
        [tuple(tensor.shape) for tensor in Detector(tiny_recipe(**changes)).state_dict().values()] for changes in both
    ]
    assert shapes[0] != shapes[1]


def test_dropout_is_read():
    torch.manual_seed(0)
    samples = torch.randn(2, 8000)
    still, wild = (Detector(tiny_recipe(dropout=dropout, statistics_branch=False)) for dropout in (0.0, 0.6))
    assert torch.equal(still(samples).logits, still(samples).logits)
    assert not torch.equal(wild(samples).logits, wild(samples).logits)


def test_outputs_have_a_logit_a_piece_and_one_a_frame():
    detector = Detector(tiny_recipe()).eval()
    output = detector(torch.randn(3, 16_000))
    assert output.logits.shape == (3,)
    assert output.frame_logits.shape == (3, 26)  # 101 frames of 10 ms, halved twice
    assert output.vectors.shape == (3, 32)


def test_what_comes_loud_or_quiet_is_judged_alike_and_batches_do_not_mix():
    detector = Detector(tiny_recipe()).eval()
    samples = torch.from_numpy(np.stack([speech(1, 0), speech(1, 1)]))
    with torch.no_grad():
        together = detector(samples).logits
        assert torch.allclose(detector(0.1 * samples).logits, together, atol=1e-3)
        assert torch.allclose(detector(samples[:1]).logits, together[:1], atol=1e-4)


def test_features_are_standardised_on_training_pieces():
    front_end = CepstralFrontEnd("lfcc", 8)
    front_end.standardise_on([ENERGIES[:1], ENERGIES[1:, :20]])
    features = torch.cat([front_end.features(ENERGIES[:1])[0], front_end.features(ENERGIES[1:, :20])[0]])
    assert torch.allclose(front_end.mean, features.mean(0))
    assert torch.allclose(front_end.deviation, features.std(0))


def test_statistics_do_not_depend_on_the_length_alone():
    detector = Detector(tiny_recipe())
    assert detector.statistics is not None
    once = detector.statistics.statistics(ENERGIES)
    twice = detector.statistics.statistics(torch.cat([ENERGIES, ENERGIES], 1))
    bands = slice(120, 200)
    assert torch.allclose(once[:, bands], twice[:, bands], rtol=0.05)


def test_a_frozen_self_supervised_encoder_stays_frozen_and_in_evaluation_mode():
    detector = Detector(tiny_recipe("wav2vec2-tiny", ssl_trained=False))
    front_end = detector.front_end
    assert isinstance(front_end, SelfSupervisedFrontEnd)
    detector.train()
    assert not any(module.training for module in front_end.encoder.modules())
    detector(torch.randn(2, 8000)).logits.sum().backward()
    assert all(parameter.grad is None for parameter in front_end.encoder.parameters())
    assert front_end.projection.weight.grad is not None
    trained = Detector(tiny_recipe("wav2vec2-tiny", ssl_trained=True))
    trained(torch.randn(2, 8000)).logits.sum().backward()
    assert isinstance(trained.front_end, SelfSupervisedFrontEnd)
    assert any(parameter.grad is not None for parameter in trained.front_end.encoder.parameters())


def test_an_encoder_that_cannot_be_loaded_is_one_clear_line():
    with pytest.raises(InputError, match=r"^ssl_model 'nowhere/none' cannot be loaded: "):
        Detector(tiny_recipe("wav2vec2-tiny", ssl_model="nowhere/none", ssl_weights=True))


def test_the_published_recipe_has_the_published_shape():
    params = read_params()["deepfake"]
    own = params["train"] | params["recipes"]["conformer-tcm"]
    assert (own["embedding"], own["encoders"], own["heads"], own["kernel"]) == (144, 4, 4, 31)
    assert (own["batch_size"] * own["accumulate"], own["epochs"]) == (32, 30)
    recipe = parse_params(own, Recipe, "conformer-tcm").model_copy(update={"ssl_weights": False})
    tiny = WAV2VEC2_TINY["ssl_config"]
    output = Detector(recipe.model_copy(update={"ssl_config": tiny}))(torch.randn(2, 16_000))
    assert output.logits.shape == (2,)
