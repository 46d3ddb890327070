"""Pages: an exported folder answers as the models do, from anywhere, with torch and without."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from reprise.cli import command_group
from reprise.core.models import read_checked_json
from reprise.documents import predict
from reprise.documents.export import contents, pretrained_of
from reprise.documents.network.ensemble import load_ensemble
from reprise.documents.onnx_ensemble import OnnxEnsemble
from reprise.tools.export import build
from tests.conftest import ROOT
from tests.documents.helpers import KINDS, draw_page, tiny_recipe
from tests.exported import call, copy_finished, program_of, record, run_example, run_without_torch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(finished, tmp_path_factory):
    """A repository's root, in which `reprise export` was called."""
    root = copy_finished(finished, tmp_path_factory.mktemp("root"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        record("documents")
        code, output, errors = call(build.main, "documents", "out/pages", "--check", 3)
        assert (code, errors) == (0, "")
        assert output.startswith("out/pages: ")
        assert "ONNX differs from torch by " in output
    return root


@pytest.fixture
def elsewhere(root, tmp_path, monkeypatch):
    """A folder that holds some pages and, under another name, what was exported."""
    shutil.copytree(root / "out/pages", tmp_path / "carried")
    for number, kind in enumerate(KINDS):
        draw_page(kind, 50 + number).rotate(90 * number).save(tmp_path / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_folder_holds_all_and_checksums_of_all(root):
    folder = root / "out/pages"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    models = {"ensemble.json", "fold-0.safetensors", "fold-1.safetensors"}
    assert names == models | {"README.md", "export.json", "onnx/documents.onnx", "onnx/prediction.json"}
    assert set(read_checked_json(folder / "export.json")["files"]) == names - {"export.json"}


def test_onnx_and_torch_give_the_same_probabilities(root, monkeypatch):
    """Against the ensemble itself, on pages that the export did not compare."""
    pages = np.random.default_rng(7).integers(0, 256, (11, 36, 36, 3), dtype=np.uint8)
    expected = load_ensemble(root / "models/documents").probabilities(pages)
    assert OnnxEnsemble(root / "out/pages").probabilities(pages) == pytest.approx(expected, abs=1e-4)
    agreement = contents(root / "models/documents").agreement(root / "out/pages", 5, 1)
    assert agreement.inputs == 5
    assert agreement.difference < 1e-4


def test_prediction_from_anywhere_with_torch_and_without(elsewhere):
    pages = ["0.png", "1.png", "2.png", "none.png"]
    code, output, _ = call(predict.main, *pages, "--models", "carried", "--accelerator", "cpu")
    expected = [json.loads(line) for line in output.splitlines()]
    assert code == 1
    found_code, found = run_without_torch(
        "predict", "documents", *pages, "--models", "carried", "--onnx", cwd=elsewhere
    )
    assert found_code == 1
    assert found[3] == expected[3]
    for one, other in zip(found[:3], expected[:3], strict=True):
        assert one["path"] == other["path"]
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
        assert one["target"] == other["target"]


def test_the_program_of_card_and_docs_runs_in_the_folder(elsewhere):
    program = program_of(Path("carried/README.md"))
    assert program in (ROOT / "docs/serving.md").read_text()
    draw_page("dots", 60).save("carried/page.png")
    name, probability = run_example(program, elsewhere / "carried").split()
    found = OnnxEnsemble(elsewhere / "carried")
    (page,) = predict.predict_block([Path("carried/page.png")], found, 60)
    assert (name, float(probability)) == (page["class_name"], pytest.approx(page["probability"], abs=1e-3))


def test_the_card_is_one_that_the_hub_reads(root):
    card = ModelCard.load(root / "out/pages/README.md")
    assert card.data.license == "mit"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.base_model is None
    evaluation = json.loads((root / "metrics/documents/evaluation.json").read_text())
    assert card.data.eval_results[0].metric_value == pytest.approx(evaluation["test"]["macro_f1"], abs=1e-4)
    low, high = evaluation["oof"]["macro_f1_ci95"]
    assert f"{low:.4f} to {high:.4f}" in card.text
    assert "| `data/documents/sample` | `" + "a" * 32 + ".dir` | 5 | 1234 |" in card.text
    assert "60 training pages" in card.text
    assert 'model: "test_resnet"' in card.text
    assert "The figures are of generated data." in card.text


def test_what_does_not_belong_together_is_refused_and_nothing_written(root, monkeypatch):
    monkeypatch.chdir(root)
    path = Path("metrics/documents/evaluation.json")
    before = path.read_text()
    path.write_text(before + " ")
    code, _, errors = call(build.main, "documents", "new", "--no-onnx")
    path.write_text(before)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith(f"{path}: not the file that dvc.lock records; run `dvc repro`")
    assert not Path("new").exists()
    monkeypatch.chdir("out")
    code, _, errors = call(build.main, "documents", "new")
    assert (code, errors) == (
        1,
        "dvc.lock: no such file, which says what the models were made of; run from the root, after `dvc repro`\n",
    )


def test_without_onnx_the_card_and_prediction_say_so(root, monkeypatch):
    monkeypatch.chdir(root)
    code, output, _ = call(build.main, "documents", "plain", "--no-onnx", "--licence", "cc-by-4.0")
    assert code == 0
    assert "no ONNX files: they were not asked for" in output
    assert not Path("plain/onnx").exists()
    card = ModelCard.load("plain/README.md")
    assert card.data.license == "cc-by-4.0"
    assert "This folder has no ONNX files: they were not asked for." in card.text
    draw_page("dots", 60).save("page.png")
    code, _, errors = call(predict.main, "page.png", "--models", "plain", "--onnx")
    assert code == 1
    assert errors.startswith(
        "plain/onnx/prediction.json: no such file; --onnx needs a folder that `reprise export` wrote"
    )
    code, _, errors = call(predict.main, "page.png", "--models", "out/pages", "--onnx", "--folds", "0")
    assert (code, errors) == (1, "--onnx averages all folds; --folds does not go with it\n")


def test_an_answer_that_differs_too_much_leaves_onnx_out(root, monkeypatch):
    monkeypatch.chdir(root)
    monkeypatch.setattr(build, "TOLERANCE", 0.0)
    code, _, errors = call(build.main, "documents", "strict", "--check", 2)
    assert code == 0
    assert errors.startswith("no ONNX files: their answers differ from torch's by ")
    assert not Path("strict/onnx").exists()


def test_pretrained_weights_are_named_with_timms_licence():
    assert pretrained_of(tiny_recipe()) == []
    (part,) = pretrained_of(tiny_recipe("pretrained"))
    assert (part.name, part.licence) == ("timm/tf_efficientnet_lite0.in1k", "apache-2.0")
    (part,) = pretrained_of(tiny_recipe("finetune"))
    assert (part.name.endswith("mobilenetv2_100.safetensors"), part.licence) == (True, None)


def test_the_command_is_listed():
    assert "export" in command_group().commands
