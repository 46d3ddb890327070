from typing import Any

import numpy as np
import pytest
import torch
from scipy import signal
from scipy.fft import dct
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.core.params import parse_params
from reprise.deepfake.detector.conformer import ConformerBlock, TemporalChannelAttention
from reprise.deepfake.detector.features import (
    FILTERS,
    FLOOR,
    Cepstra,
    Filterbank,
    cosine_transform,
    deltas,
    linear_filters,
    power_spectrum,
    scale_loudness,
)
from reprise.deepfake.detector.model import CepstralFrontEnd, Detector, OneClassHead, SelfSupervisedFrontEnd
from reprise.deepfake.detector.model_file import load_detector, save_detector
from reprise.deepfake.recipe import Recipe
from tests.conftest import read_params
from tests.deepfake.helpers import make_corpus, speech, tiny_recipe

ENERGIES = torch.randn(2, 30, FILTERS, generator=torch.Generator().manual_seed(0))


def test_power_is_scipys():
    samples = speech(0.5, 0).astype(np.float64)
    window = np.pad(signal.windows.hann(400, sym=False), 56)  # torch centres the window in the transform
    padded = np.pad(samples, 256)
    frames = [padded[start : start + 512] * window for start in range(0, len(samples) + 1, 160)]
    expected = np.abs(np.fft.rfft(np.stack(frames))) ** 2
    found = power_spectrum(torch.from_numpy(samples)[None].float())[0].numpy()
    assert found.shape == (len(samples) // 160 + 1, 257)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_filters_are_triangles_that_add_up_to_one_between_the_outer_peaks():
    filters = linear_filters()
    assert filters.shape == (257, 80)
    total = filters.sum(1)
    inner = slice(int(257 / 81) + 2, 257 - int(257 / 81) - 2)
    assert torch.allclose(total[inner], torch.ones_like(total[inner]), atol=1e-4)
    assert (filters.argmax(0).diff() > 0).all()


def test_a_filterbank_is_log_energy_without_its_mean_and_does_not_hear_gain():
    samples = torch.from_numpy(speech(0.5, 0))[None]
    bank = Filterbank("linear")
    expected = torch.log(power_spectrum(samples) @ linear_filters() + FLOOR)
    assert torch.allclose(bank(samples), expected - expected.mean(1, keepdim=True))
    scaled = bank(scale_loudness(samples)), bank(scale_loudness(0.1 * samples))
    assert torch.allclose(*scaled, atol=1e-3)
    assert scale_loudness(samples).square().mean().sqrt().item() == pytest.approx(0.06, rel=1e-4)


def test_cepstra_are_scipys_dct_and_deltas_are_slopes():
    expected = dct(ENERGIES.numpy(), type=2, norm="ortho", axis=-1)[..., :40]
    found = Cepstra()(ENERGIES)
    assert found.shape == (2, 30, 120)
    assert np.allclose(found[..., :40], expected, atol=1e-4)
    assert torch.allclose(cosine_transform().T @ cosine_transform(), torch.eye(40), atol=1e-5)
    ramp = torch.arange(10.0)[None, :, None] * 3
    assert torch.allclose(deltas(ramp)[:, 2:-2], torch.full((1, 6, 1), 3.0))


def test_channel_tokens_are_each_heads_channels_over_time():
    torch.manual_seed(0)
    attention = TemporalChannelAttention(8, 2, 0.0).eval()
    x = torch.randn(3, 6, 8)
    tokens = attention.channel_tokens(x)
    assert tokens.shape == (3, 2, 8)
    for head in range(2):
        mean = x[:, :, 4 * head : 4 * head + 4].mean(1)
        expected = F.gelu(attention.token_norm(attention.token_projection(mean))) + attention.token_positions[0, head]
        assert torch.allclose(tokens[:, head], expected, atol=1e-6)


def test_attention_is_over_frames_and_tokens_and_folds_these_into_the_class_token():
    torch.manual_seed(0)
    attention = TemporalChannelAttention(8, 2, 0.0).eval()
    x = torch.randn(2, 5, 8)
    normed = attention.norm(x)
    sequence = torch.cat([normed, attention.channel_tokens(normed)], 1)  # (2, 7, 8)
    q, k, v = attention.queries_keys_values(sequence).chunk(3, -1)
    mixed = torch.zeros(2, 7, 8)
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 2.0).softmax(-1)
        mixed[..., part] = weights @ v[..., part]
    mixed = attention.output(mixed)
    expected = mixed[:, :5].clone()
    expected[:, 0] += mixed[:, 5:].mean(1)
    assert torch.allclose(attention(x), expected, atol=1e-5)


def test_a_block_keeps_its_shape_and_has_the_kernel_it_was_given():
    block = ConformerBlock(16, 4, 7, 0.0)
    assert block(torch.randn(2, 9, 16)).shape == (2, 9, 16)
    assert block.convolution.depthwise.kernel_size == (7,)


def test_the_one_class_logit_grows_with_the_distance_from_the_centre():
    head = OneClassHead(6, 4)
    readout = torch.randn(5, 6)
    logits, z = head(readout)
    expected = F.softplus(head.gain) * (z**2).sum(-1) - head.bias
    assert torch.allclose(logits, expected)
    with torch.no_grad():
        head.projection.bias.zero_()
    assert (head(2 * readout)[0] > head(readout)[0]).all()


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding": 30, "heads": 4}, "embedding 30 is no multiple of heads 4"),
        ({"kernel": 4}, "kernel 4 is even"),
        ({"crop_seconds": [2.0, 1.0]}, "crop_seconds: 2.0 ... 1.0; expected the shortest first"),
    ],
)
def test_shapes_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        tiny_recipe(**changes)


@pytest.mark.parametrize("name", ["small", "wav2vec2-tiny"])
def test_a_saved_detector_needs_nothing_but_its_file(tmp_path, name):
    recipe = tiny_recipe(name)
    detector = Detector(recipe).eval()
    save_detector(tmp_path / "d.safetensors", detector, recipe, {})
    loaded, again = load_detector(tmp_path / "d.safetensors")
    samples = torch.randn(2, 8000)
    assert torch.equal(loaded(samples).logits, detector(samples).logits)
    assert again == recipe
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training


def test_without_a_detector_the_line_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="train the detector first: dvc repro deepfake-detector"):
        load_detector(tmp_path / "none.safetensors")


def test_the_published_recipe_has_the_published_shape():
    own = read_params()["deepfake"]["recipes"]["conformer-tcm"]
    assert (own["embedding"], own["encoders"], own["heads"], own["kernel"]) == (144, 4, 4, 31)
    assert (own["batch_size"], own["epochs"]) == (32, 30)
    merged = read_params()["train"] | {key: value for key, value in own.items() if value is not None}
    recipe = parse_params(merged, Recipe, "conformer-tcm").model_copy(update={"ssl_weights": False})
    tiny = read_params()["deepfake"]["recipes"]["wav2vec2-tiny"]["ssl_config"]
    output = Detector(recipe.model_copy(update={"ssl_config": tiny}))(torch.randn(2, 16_000))
    assert output.logits.shape == (2,)


def test_the_corpus_of_the_tests_is_what_it_says():
    corpus = make_corpus(2)
    assert corpus.spoof.tolist() == [False, False, True, True]
    assert np.corrcoef(np.abs(corpus.waveform(0)), np.abs(corpus.waveform(2)))[0, 1] > 0.2
