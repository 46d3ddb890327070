"""Two processes under torchrun against one: trainings and scoring."""

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.stage_files import digests, read
from tests.system.workspaces import TRAININGS, copy, make, run, start, torchrun, torchrun_command

pytestmark = pytest.mark.system

# Without the draws that depend on the process, two processes and one differ by the order of their sums alone.
PLAIN: dict[str, dict[str, Any]] = {
    "taxonomy": {"taxonomy.recipes.minilm.dropout": 0.0, "taxonomy.sample.train_documents": 160},
    "documents": {
        "documents.recipes.quick.model": "test_vit",  # layer norm: batch norm sees each process's share alone
        "documents.recipes.quick.orientation": "fixed",
        "documents.recipes.quick.augmentation": "none",
        "documents.recipes.quick.lr": 2e-3,
        "documents.recipes.quick.epochs": 20,
        "documents.recipes.quick.batch_size": 7,  # no half of it is as large as the other
    },
    "deepfake": {
        "deepfake.sample.train_utterances": 16,
        "deepfake.recipes.small.crop_seconds": [2.0, 2.0],  # longer than the recordings: always the whole
        "deepfake.recipes.small.partial_spoofs": 0.0,
        "deepfake.recipes.small.dropout": 0.0,
        "deepfake.train.epochs": 12,  # with fewer, an explainer finds nothing in what the detector has learned
        "deepfake.explainer.train.dropout": 0.0,
    },
}
OUTPUTS = {
    "taxonomy-train": "models/taxonomy/classifier.safetensors",
    "taxonomy-self-train": "models/taxonomy/self_trained.safetensors",
    "documents-train": "models/documents/fold-1.safetensors",
    "deepfake-detector": "models/deepfake/detector.safetensors",
    "deepfake-explainer": "models/deepfake/explainers/ema.safetensors",
}
# Batch norm takes the statistics of a process's share where there is no GPU; the explainer stands on such a detector.
TOLERANCES = {"deepfake-detector": 0.1, "deepfake-explainer": 0.02}
METRICS = {
    "taxonomy-train": "metrics/taxonomy/train/metrics.json",
    "taxonomy-self-train": "metrics/taxonomy/self_train/metrics.json",
    "documents-train": "metrics/documents/fold-1/metrics.json",
    "deepfake-detector": "metrics/deepfake/detector/metrics.json",
    "deepfake-explainer": "metrics/deepfake/explainer-ema/metrics.json",
}


@pytest.fixture(scope="module")
def single(tmp_path_factory, encoder_folder):
    """Gives folders in which one process has run everything of a task."""
    return functools.cache(lambda task: make(tmp_path_factory.mktemp(task), encoder_folder, task, PLAIN[task]))


def grouped() -> list[Any]:
    """Tests of one task on one worker, which makes its folder once."""
    return [pytest.param(training, marks=pytest.mark.xdist_group(training.split("-")[0])) for training in TRAININGS]


@pytest.mark.parametrize("training", grouped())
def test_two_processes_train_what_one_does(training, single, tmp_path):
    folder = copy(single(training.split("-")[0]), tmp_path / "two")
    before, alone = written(folder), read(str(folder / METRICS[training]))
    shutil.rmtree((folder / METRICS[training]).parent)
    (folder / OUTPUTS[training]).unlink()
    output = torchrun(TRAININGS[training], folder)
    assert output.count(": done in ") == 1, "one process speaks"
    assert output.count("epoch 1/") == 1
    assert written(folder) == before, "the same files, each written once"
    figures, tolerance = read(str(folder / METRICS[training])), TOLERANCES.get(training, 2e-3)
    assert figures.keys() == alone.keys()
    for name, value in figures.items():
        if name.startswith("best_"):
            continue  # of the best of several epochs that are all but equal
        assert value == pytest.approx(alone[name], rel=tolerance, abs=tolerance), name


def written(folder: Path) -> set[str]:
    """The results in a folder."""
    return set(digests(*(str(folder / name) for name in ("data", "models", "metrics"))))


@pytest.mark.xdist_group("taxonomy")
def test_the_first_process_works_on_when_the_others_have_left(tmp_path, encoder_folder):
    """With a trained encoder all documents are embedded anew after the training."""
    changes = PLAIN["taxonomy"] | {"taxonomy.recipes.minilm.trained_layers": 1, "taxonomy.sample.train_documents": 1100}
    stages = ["sample", "prepare", "similarity", "core_classes", "recipe"]
    folder = make(
        tmp_path / "trained", encoder_folder, "taxonomy", changes | {"taxonomy.recipes.minilm.epochs": 1}, stages
    )
    torchrun("taxonomy.train", folder)
    torchrun("taxonomy.self_train", folder)
    assert (folder / OUTPUTS["taxonomy-self-train"]).exists()
    loss = read(str(folder / METRICS["taxonomy-train"]))["valid_loss"]
    run("taxonomy.train", folder)
    assert loss == pytest.approx(read(str(folder / METRICS["taxonomy-train"]))["valid_loss"], abs=0.01)


@pytest.mark.xdist_group("taxonomy")
@pytest.mark.parametrize("tune_from", [None, 0])
def test_a_shared_corpus_is_scored_in_order_and_to_the_same_bytes(tmp_path, encoder_folder, tune_from):
    changes = PLAIN["taxonomy"] | {"taxonomy.sample.train_documents": 2500}  # three chunks
    changes |= {"taxonomy.similarity.tune_from": tune_from}
    folder = make(tmp_path / "big", encoder_folder, "taxonomy", changes, ["sample", "prepare", "similarity"])
    outputs = ("data/taxonomy/embeddings", "data/taxonomy/similarity", "metrics/taxonomy")
    alone = digests(*(str(folder / name) for name in outputs))
    for name in (".cache", *outputs):
        shutil.rmtree(folder / name)
    (folder / "metrics/taxonomy").mkdir()
    run("taxonomy.prepare", folder)
    torchrun("taxonomy.similarity", folder)
    assert digests(*(str(folder / name) for name in outputs)) == alone


@pytest.mark.xdist_group("taxonomy")
def test_a_mistake_ends_all_processes_with_its_line(single, tmp_path):
    folder = copy(single("taxonomy"), tmp_path / "broken")
    (folder / "models/taxonomy/recipe.yaml").unlink()
    process = start(torchrun_command(TRAININGS["taxonomy-train"]), folder)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "models/taxonomy/recipe.yaml: no such file" in output


@pytest.mark.xdist_group("taxonomy")
def test_the_trainers_own_launcher_makes_as_many_processes_as_hardware_says(single, tmp_path):
    folder = copy(single("taxonomy"), tmp_path / "devices")
    text = (folder / "params.yaml").read_text()
    assert "devices: auto" in text
    (folder / "params.yaml").write_text(text.replace("devices: auto", "devices: 2"))
    (folder / OUTPUTS["taxonomy-train"]).unlink()
    output = run(TRAININGS["taxonomy-train"], folder)
    assert output.count("epoch 1/") == 1
    expected = read(str(single("taxonomy") / METRICS["taxonomy-train"]))
    figures = read(str(folder / METRICS["taxonomy-train"]))
    assert figures["valid_loss"] == pytest.approx(expected["valid_loss"], abs=2e-3)
    assert Path(folder / ".logs/taxonomy-train.1.log").exists()
