"""Texts: an exported folder answers as the models do, from anywhere, with torch and without."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from scipy.special import softmax

from reprise.taxonomy import predict
from reprise.taxonomy.classifier.model import consistent_probabilities
from reprise.taxonomy.classifier.predictor import Predictor
from reprise.taxonomy.onnx_predictor import OnnxPredictor, probabilities
from reprise.tools.export import build
from tests.exported import call, copy_finished, program_of, record, run_example, run_without_torch

pytestmark = pytest.mark.slow

TEXTS = ["the lens is sharp", "a", "cable " * 60, "Töne, größer als erwartet", "tripod and bag, both broken"]


@pytest.fixture(scope="module")
def root(finished, tmp_path_factory):
    """A repository's root, in which `reprise export` was called."""
    root = copy_finished(finished, tmp_path_factory.mktemp("root"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        record("taxonomy")
        code, output, _ = call(build.main, "taxonomy", "packed", "--check", 3, "--pretrained-licence", "apache-2.0")
        assert code == 0
        assert "ONNX differs from torch by " in output
        code, _, errors = call(build.main, "taxonomy", "named")
        assert code == 0
        assert errors.startswith("no ONNX files: they would hold the weights of ")
    return root


def test_onnx_and_torch_give_the_same_answers(root):
    torch, onnx = Predictor(root / "models/taxonomy/self_trained.safetensors", ["cpu"]), OnnxPredictor(root / "packed")
    embeddings = torch.embed(TEXTS, "test", cache=False)
    logits = torch.logits(embeddings)
    found, evidence = onnx.logits_and_evidence(TEXTS)
    assert found == pytest.approx(logits, abs=1e-4)
    assert evidence == pytest.approx(torch.evidence(embeddings, logits), abs=1e-4)
    scores, sets = onnx.predict(TEXTS)
    assert scores == pytest.approx(torch.probabilities(logits), abs=1e-4)
    assert (sets == torch.sets(embeddings, logits)).all()


@pytest.mark.parametrize("loss", ["soft", "bce"])
def test_probabilities_are_those_of_the_classifier(root, loss):
    hierarchy = OnnxPredictor(root / "packed").hierarchy
    logits = np.random.default_rng(0).normal(0, 3, (7, len(hierarchy))).astype(np.float32)
    assert probabilities(logits, hierarchy, loss) == pytest.approx(
        consistent_probabilities(logits, hierarchy, loss), abs=1e-6
    )
    if loss == "soft":
        row = probabilities(logits, hierarchy, loss)[0]
        assert row[hierarchy.leaves] == pytest.approx(softmax(logits[0, hierarchy.leaves]), abs=1e-6)


def test_prediction_from_anywhere_with_torch_and_without(root, tmp_path, monkeypatch):
    shutil.copytree(root / "packed", tmp_path / "carried")
    monkeypatch.chdir(tmp_path)
    Path("texts.txt").write_text("\n".join([*TEXTS, ""]) + "\n")
    code, output, _ = call(predict.main, "--file", "texts.txt", "--models", "carried", "--accelerator", "cpu")
    assert code == 1  # the empty line
    expected = [json.loads(line) for line in output.splitlines()]
    arguments = ("predict", "taxonomy", "--file", "texts.txt", "--models", "carried", "--onnx")
    found_code, found = run_without_torch(*arguments, cwd=tmp_path)
    assert found_code == 1
    assert len(found) == len(expected) == len(TEXTS) + 1
    for one, other in zip(found, expected, strict=True):
        assert one.get("error") == other.get("error")
        assert [entry["ids"] for entry in one.get("classes", [])] == [
            entry["ids"] for entry in other.get("classes", [])
        ]
        for left, right in zip(one.get("top", []), other.get("top", []), strict=True):
            assert left["probability"] == pytest.approx(right["probability"], abs=2e-4)  # rounded to four digits


def test_the_program_of_the_card_runs_in_the_folder(root):
    printed = run_example(program_of(root / "packed/README.md"), root / "packed").splitlines()
    (line,) = [row for row, _ in [OnnxPredictor(root / "packed").predict(["the ball head slips with a long lens"])]]
    assert float(printed[-5].split()[-1]) == pytest.approx(line.max(), abs=1e-4)


def test_an_encoder_of_unknown_licence_is_named_and_fetched_at_the_first_use(root, encoder_folder, tmp_path):
    folder = shutil.copytree(root / "named", tmp_path / "named")
    assert not (folder / "encoder").exists()
    assert not (folder / "onnx").exists()
    card = ModelCard.load(folder / "README.md")
    assert "not part of this folder, fetched at the first use" in card.text
    assert f"`{encoder_folder}`" in card.text
    code, output, _ = call(predict.main, "--text", TEXTS[0], "--models", folder, "--accelerator", "cpu")
    assert code == 0
    _, expected, _ = call(
        predict.main, "--text", TEXTS[0], "--models", root / "models/taxonomy", "--accelerator", "cpu"
    )
    assert output == expected
    assert (folder / "encoder/model.safetensors").is_file()


def test_the_card_names_what_was_built_on(root):
    card = ModelCard.load(root / "packed/README.md")
    assert card.data.pipeline_tag == "text-classification"
    assert "- text encoder, unchanged: " in card.text
    assert "licence apache-2.0" in (root / "packed/NOTICE.md").read_text()
    assert (root / "packed/LICENSE-apache-2.0.txt").is_file()


def test_options_that_do_not_go_together(root):
    code, _, errors = call(predict.main, "--text", "x", "--onnx", "--model", "a.safetensors")
    assert (code, errors) == (1, "--onnx reads the folder that --models names; --model does not go with it\n")
    code, _, errors = call(predict.main, "--text", "x", "--onnx", "--models", root / "packed", "--accelerator", "gpu")
    assert (code, errors) == (1, "--onnx runs on the CPU; --accelerator gpu does not go with it\n")
    tokenizer = root / "packed/onnx/tokenizer.json"
    content = tokenizer.read_bytes()
    tokenizer.write_bytes(content + b" ")
    code, _, errors = call(predict.main, "--text", "x", "--onnx", "--models", root / "packed")
    tokenizer.write_bytes(content)
    assert (code, errors) == (1, f"{tokenizer}: does not match its checksum: the file is damaged\n")
