"""Speech: an exported folder answers as the models do, from anywhere, with torch and without."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from huggingface_hub import ModelCard

from reprise.deepfake import predict
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.features import Filterbank
from reprise.deepfake.detector.whisper import LogMel
from reprise.deepfake.export import (
    ExportableFilterbank,
    ExportableLogMel,
    contents,
    pretrained_of,
)
from reprise.deepfake.onnx_models import OnnxModels
from reprise.tools.export import build
from tests.conftest import ROOT
from tests.deepfake.helpers import DETECTORS, call, speech, tiny_recipe, write_models
from tests.exported import program_of, record, run_example, run_without_torch


@pytest.fixture(scope="module", params=DETECTORS)
def root(request, tmp_path_factory):
    """A repository's root, in which `reprise export` was called, with each kind of detector."""
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_models(tiny_recipe(request.param, **DETECTORS[request.param]), "fused")
        Path("metrics/deepfake").mkdir(parents=True)
        for name in ("evaluation", "explanation", "data"):
            shutil.copy(ROOT / f"metrics/deepfake/{name}.json", "metrics/deepfake")
        record("deepfake")
        code, output, errors = call(build.main, "deepfake", "out", "--check", 3)
        assert (code, errors) == (0, "")
        assert "ONNX differs from torch by " in output
    return root


@pytest.mark.slow
def test_onnx_and_torch_give_the_same_answers(root):
    agreement = contents(root / "models/deepfake").agreement(root / "out", 6, 1)
    assert agreement.difference < 1e-4
    judge = predict.load_judge(root / "models/deepfake", "learnable", "cpu")
    onnx = OnnxModels(root / "out", "learnable")
    for seconds in (0.05, 0.31, 1.0, 8.05):
        samples = speech(seconds, 3)
        scores, curve = judge.hear(samples)
        found, same = onnx.hear(samples)
        assert found == pytest.approx(scores, abs=1e-4)
        assert same == pytest.approx(curve, abs=1e-4)


@pytest.mark.slow
def test_prediction_from_anywhere_with_torch_and_without(root, tmp_path, monkeypatch):
    shutil.copytree(root / "out", tmp_path / "carried")
    monkeypatch.chdir(tmp_path)
    soundfile.write("stereo.wav", np.repeat(np.stack([speech(2.0, 5)] * 2, 1), 3, 0), 3 * RATE)
    soundfile.write("long.flac", speech(33, 1), RATE)
    files = ["stereo.wav", "none.wav", "long.flac"]
    code, output, _ = call(predict.main, *files, "--models", "carried", "--importance", "--accelerator", "cpu")
    assert code == 1
    expected = [json.loads(line) for line in output.splitlines()]
    found_code, found = run_without_torch(
        "predict", "deepfake", *files, "--models", "carried", "--onnx", "--importance", cwd=tmp_path
    )
    assert found_code == 1
    assert found[1] == expected[1]
    for one, other in ((found[0], expected[0]), (found[2], expected[2])):
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)
        assert one["spoof_probability"] == pytest.approx(other["spoof_probability"], abs=1e-4)
        assert one["importance"] == pytest.approx(other["importance"], abs=2e-4)  # rounded to four digits
        assert one["decision"] == other["decision"]


@pytest.mark.slow
def test_the_program_of_the_card_runs_in_the_folder(root, tmp_path):
    folder = shutil.copytree(root / "out", tmp_path / "folder")
    soundfile.write(folder / "call.wav", speech(1.5, 2), RATE, subtype="FLOAT")
    decision, line = run_example(program_of(folder / "README.md"), folder).splitlines()
    judge = predict.load_onnx_judge(folder, "learnable", "cpu")
    expected, _, _ = predict.judge_recording(folder / "call.wav", judge, False)
    assert decision == expected["decision"]
    assert float(line.split()[-1]) == pytest.approx(expected["spoof_probability"], abs=1e-4)


@pytest.mark.slow
def test_the_card_is_one_that_the_hub_reads(root):
    card = ModelCard.load(root / "out/README.md")
    assert card.data.pipeline_tag == "audio-classification"
    assert card.data.tags == ["deepfake", "dvc", "onnx"]
    assert "the Fourier transform is in the graph, as a convolution" in card.text
    assert "128 training utterances" in card.text


def test_a_fourier_transform_by_convolution_is_the_fast_one():
    """In double precision too the fast transform is matched to rounding, whatever the length."""
    for length in (4800, 16_001):
        samples = torch.from_numpy(speech(length / RATE, 1))[None]
        fast, slow = Filterbank("linear"), ExportableFilterbank(Filterbank("linear"))
        assert torch.allclose(fast(samples), slow(samples), atol=1e-3)
        mel = LogMel(8)
        assert torch.allclose(mel(samples), ExportableLogMel(mel)(samples), atol=1e-4)


def test_the_speech_encoder_is_named():
    assert pretrained_of(tiny_recipe()) == []
    (part,) = pretrained_of(tiny_recipe("whisper", ssl_weights=True))
    assert (part.name, part.part) == ("openai/whisper-tiny", "speech encoder, unchanged")
    (part,) = pretrained_of(tiny_recipe("conformer-tcm"))
    assert part.part == "speech encoder, trained further"
