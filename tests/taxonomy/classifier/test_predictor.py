"""Models that may come from strangers: each part of their description and of their tensors is checked."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model
from reprise.taxonomy.classifier.predictor import Predictor
from tests.taxonomy.readers import value_or_error

Tensors = dict[str, Any]


@pytest.fixture
def model(in_finished: Path, tmp_path: Path) -> Path:
    shutil.copytree("models/taxonomy", tmp_path / "models")
    return tmp_path / "models/self_trained.safetensors"


def refused(model: Path, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        Predictor(model, ["cpu"])
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 2000


DESCRIPTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no hierarchy": (lambda own: own.pop("hierarchy"), "its metadata lacks hierarchy"),
    "an unknown key": (lambda own: own.update(extra=1), "extra: unknown key"),
    "no recipe": (lambda own: own.update(recipe=None), "recipe"),
    "a recipe without loss": (lambda own: own["recipe"].pop("loss"), "recipe.loss: missing"),
    "an unknown graph": (lambda own: own["recipe"].update(graph="eval"), "recipe.graph"),
    "endless layers": (lambda own: own["recipe"].update(graph_layers=10**9), "recipe.graph_layers"),
    "endless width": (lambda own: own["recipe"].update(graph_hidden=10**12), "recipe.graph_hidden"),
    "great width": (lambda own: own["recipe"].update(graph_hidden=10**6), "its description needs"),
    "more layers": (lambda own: own["recipe"].update(graph_layers=90), "is missing"),
    "a threshold that is none": (lambda own: own.update(evidence_threshold="high"), "evidence_threshold"),
    "no encoder": (lambda own: own.update(encoder={}), "encoder"),
    "an encoder of numbers": (lambda own: own.update(encoder=[1]), "encoder"),
    "one class less": (lambda own: own["hierarchy"]["classes"].pop(), "an edge to a class that is not there"),
    "one edge less": (lambda own: own["hierarchy"]["edges"].pop(), "'classifier.edge_index' is"),
    "an edge turned": (lambda own: own["hierarchy"]["edges"][0].reverse(), "its edges are not those of its hierarchy"),
    "a hierarchy of lists": (lambda own: own.update(hierarchy=[]), "hierarchy"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_descriptions_of_strangers(model, case):
    change, message = DESCRIPTIONS[case]
    tensors, description = load_model(model)
    change(description)
    save_model(model, tensors, description)
    refused(model, message)


TENSORS: dict[str, tuple[Callable[[Tensors], Any], str]] = {
    "none": (lambda own: own.clear(), "expected classifier.class_embeddings with a row for each class"),
    "no mean": (lambda own: own.pop("classifier.document_mean"), "expected a vector classifier.document_mean"),
    "a class less": (
        lambda own: own.update({"classifier.class_embeddings": own["classifier.class_embeddings"][1:]}),
        "expected classifier.class_embeddings with a row for each class",
    ),
    "one more": (
        lambda own: own.update({"classifier.other": torch.ones(1)}),
        "'classifier.other' is no tensor",
    ),
    "no bias": (lambda own: own.pop("classifier.bias"), "'classifier.bias' is missing"),
    "another shape": (lambda own: own.update({"classifier.bias": torch.ones(3)}), r"'classifier.bias' is \(3,\)"),
    "whole numbers": (
        lambda own: own.update({"classifier.bias": torch.ones(32, dtype=torch.int64)}),
        r"'classifier.bias' is \(32,\) torch.int64; its description needs \(32,\) torch.float32",
    ),
    "edges out of range": (
        lambda own: own["classifier.edge_index"].fill_(10**6),
        "its edges are not those of its hierarchy",
    ),
    "a name of the encoder": (lambda own: own.update({"encoder.x": torch.ones(1)}), "is missing|no tensor"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_of_strangers(model, case):
    change, message = TENSORS[case]
    tensors, description = load_model(model)
    change(tensors)
    save_model(model, tensors, description)
    refused(model, message)


def test_weights_that_overflow_give_no_number(model):
    tensors, description = load_model(model)
    tensors["classifier.class_embeddings"].fill_(3e38)
    save_model(model, tensors, description)
    predictor = Predictor(model, ["cpu"])
    with pytest.raises(InputError, match="logits are not finite"):
        predictor.logits(predictor.embed(["tea"], "text", cache=False))


def change_encoder(model: Path, name: str, content: bytes) -> None:
    """Replace a file of the encoder, and its checksum in the classifier, as a stranger would."""
    path = model.parent / "encoder" / name
    path.write_bytes(content)
    tensors, description = load_model(model)
    from reprise.taxonomy.zero_shot.encoder import encoder_checksums

    description["encoder"] = encoder_checksums(model.parent / "encoder")
    save_model(model, tensors, description)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{}"),
        ("config.json", b"[" * 10_000),
        ("config.json", b'{"model_type": "bert", "hidden_size": "x"}'),
        ("config.json", b'{"model_type": "bert", "hidden_size": 1000000000, "num_hidden_layers": 1}'),
        ("modules.json", b"[]"),
        ("modules.json", b'[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]'),
        ("model.safetensors", b""),
        ("model.safetensors", b"\x00" * 100),
        ("tokenizer.json", b'{"a": 1}'),
    ],
)
def test_encoders_of_strangers(model, name, content):
    change_encoder(model, name, content)
    predictor, error = value_or_error(lambda: Predictor(model, ["cpu"]))
    if predictor is not None:  # the encoder is opened when it is asked for
        _, error = value_or_error(lambda: predictor.logits(predictor.embed(["tea"], "text", cache=False)))
    assert error
    assert "\n" not in error
    assert "/encoder" in error


def test_encoders_whose_files_are_not_those_of_the_classifier(model):
    (model.parent / "encoder/more.json").write_text("{}")
    refused(model, re.escape("more.json: not a file of the encoder that the classifier was saved with"))
    (model.parent / "encoder/more.json").unlink()
    (model.parent / "encoder/config.json").write_text("{}")
    refused(model, "config.json: its checksum is not the one in the classifier")
    (model.parent / "encoder/config.json").unlink()
    refused(model, "config.json: no such file; run `dvc repro`")


def test_an_encoder_of_nan_gives_no_embedding(model):
    from safetensors.torch import load_file, save

    tensors = load_file(model.parent / "encoder/model.safetensors")
    name = next(name for name in tensors if "word_embeddings" in name)
    tensors[name] = torch.full_like(tensors[name], math.nan)
    change_encoder(model, "model.safetensors", save(tensors, {"format": "pt"}))
    with pytest.raises(InputError, match="embeddings that are NaN or infinite"):
        Predictor(model, ["cpu"]).embed(["tea"], "text", cache=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0, 10**9), bits=st.integers(1, 255), cut=st.booleans())
def test_any_damage_to_a_model_is_one_line(model, place, bits, cut):
    whole = model.read_bytes()
    # Half of the damage goes into the header, which is short beside the weights.
    place %= len(whole) if place % 2 else int.from_bytes(whole[:8], "little") + 8
    content = bytearray(whole)
    content[place] ^= bits
    model.write_bytes(content[:place] if cut else content)
    _, error = value_or_error(lambda: Predictor(model, ["cpu"]))
    model.write_bytes(whole)
    assert error
    assert "\n" not in error


def test_what_is_saved_is_read(model):
    _, description = load_model(model)
    predictor = Predictor(model, ["cpu"])
    again = json.loads(json.dumps(predictor.metadata(predictor.evidence_threshold)))
    assert again == description
