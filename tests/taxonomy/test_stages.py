"""All stages, one after the other, on a tiny sample: the true configuration, made small."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.core.models import load_model
from reprise.taxonomy.stages import evaluate, self_train, train
from tests.conftest import tiny_params, write_params
from tests.stage_files import digests, read
from tests.taxonomy.all_stages import ALL, BEFORE_TRAINING, run


def test_every_promised_file_and_figure_is_there(in_finished):
    metrics = {name: read(f"metrics/taxonomy/{name}.json") for name in ("data", "similarity", "core_classes")}
    assert metrics["data"]["train"]["documents"] == 80
    assert metrics["data"]["classes_per_level"] == {"1": 6, "2": 14, "3": 21}
    assert {"min", "max", "mean", "std"} <= metrics["similarity"].keys()
    matrix = np.load("data/taxonomy/similarity/train.npy")
    assert matrix.shape == (80, 41)
    assert metrics["similarity"]["mean"] == pytest.approx(matrix.mean(dtype=np.float64))
    assert metrics["similarity"]["std"] == pytest.approx(matrix.std(dtype=np.float64))
    named = {"num_core_classes", "total_docs_with_core", "avg_docs_per_core_class", "coverage"}
    assert named | {"classes_without_documents"} <= metrics["core_classes"].keys()
    training = read("metrics/taxonomy/train/metrics.json")
    named = {"train_loss", "valid_loss", "lr", "num_positive_labels", "num_negative_labels", "best_epoch"}
    assert named | {"train_samples", "val_samples"} <= training.keys()
    assert training["train_samples"] + training["val_samples"] == 80
    assert Path("metrics/taxonomy/train/steps/plots/metrics/train_loss.tsv").exists()
    named = {"confident_predictions", "confidence_ratio", "avg_max_prediction", "avg_target_entropy"}
    assert (
        named | {"self_train_loss", "shared_information", "shared_information_before"}
        <= read("metrics/taxonomy/self_train/metrics.json").keys()
    )
    evaluation = read("metrics/taxonomy/evaluation.json")
    named = {"example_f1", "micro_f1", "macro_f1", "accuracy", "p_at_1", "p_at_3", "mrr", "top3_accuracy"}
    for row in ("zero_shot", "trained", "self_trained"):
        assert named | {"top5_accuracy", "top10_accuracy", "hierarchical_f1"} <= evaluation[row].keys()
        assert evaluation[row]["per_level"].keys() == {"1", "2", "3"}
    assert 0 <= evaluation["silver"]["precision"] <= 1
    for name in ("headline.png", "confusion.png", "f1_by_silver_documents.png", "examples.csv", "per_class.csv"):
        assert Path("metrics/taxonomy", name).stat().st_size > 500


def test_two_runs_give_the_same_bytes(in_finished, tmp_path, monkeypatch, encoder_folder):
    first = digests("data", "models", "metrics")
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny_params(encoder_folder))
    run(ALL)
    assert digests("data", "models", "metrics") == first


def test_a_model_says_what_it_is(in_finished):
    _, metadata = load_model(Path("models/taxonomy/self_trained.safetensors"))
    assert metadata["recipe"]["graph"] == "GCN"
    assert metadata["hierarchy"]["classes"][0] == {"id": "0", "name": "electronics", "keywords": []}


def test_zero_epochs_publish_weights_from_elsewhere(in_finished, tmp_path, monkeypatch, encoder_folder):
    weights = in_finished / "models/taxonomy/classifier.safetensors"
    params = tiny_params(encoder_folder)
    params["taxonomy"]["recipes"]["minilm"] |= {"weights": str(weights), "epochs": 0}
    params["taxonomy"]["self_train"]["iterations"] = 0
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, params)
    run(ALL)
    published = [load_model(Path(f"models/taxonomy/{name}.safetensors"))[0] for name in ("classifier", "self_trained")]
    given, _ = load_model(weights)
    for tensors in published:
        assert all(np.array_equal(tensors[name], given[name]) for name in given)
    evaluations = read("metrics/taxonomy/evaluation.json"), read(f"{in_finished}/metrics/taxonomy/evaluation.json")
    assert evaluations[0]["self_trained"]["mrr"] == evaluations[1]["trained"]["mrr"]


VARIANTS: dict[str, dict[str, Any]] = {
    "the paper's rule, loss and targets": {"rule": "paper", "loss": "bce", "target": "paper"},
    "a trained encoder": {"trained_layers": 1, "encoder_lr_scale": 0.1},
    "all of a random encoder, in mixed precision": {"trained_layers": -1, "weights": "none", "precision": "bf16-mixed"},
    "no graph": {"graph_layers": 0},
    "attention, four layers, accumulation": {"graph": "GAT", "graph_layers": 4, "accumulate": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_other_recipes_run_through_every_stage(workspace, encoder_folder, variant):
    chosen = dict(VARIANTS[variant])
    params = tiny_params(encoder_folder)
    if "rule" in chosen:
        params["taxonomy"]["core_classes"]["rule"] = chosen.pop("rule")
        params["taxonomy"]["self_train"]["target"] = chosen.pop("target")
    params["taxonomy"]["recipes"]["minilm"] |= chosen
    write_params(workspace, params)
    run(ALL)
    evaluation = read("metrics/taxonomy/evaluation.json")
    assert 0 < evaluation["trained"]["mrr"] <= 1
    tensors, _ = load_model(Path("models/taxonomy/classifier.safetensors"))
    assert any(name.startswith("encoder.") for name in tensors) == ("trained_layers" in chosen)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert-base", "bert-large"])
def test_the_papers_recipes_run_on_a_tiny_encoder(workspace, encoder_folder, name):
    params = tiny_params(encoder_folder)
    params["taxonomy"]["recipe"] = name
    params["taxonomy"]["recipes"][name] |= {"encoder": str(encoder_folder), "max_tokens": 32, "epochs": 1}
    params["taxonomy"]["recipes"][name] |= {"graph_hidden": 32, "weights": "none"}
    write_params(workspace, params)
    run(ALL)
    assert read("metrics/taxonomy/evaluation.json")["trained"]["documents"] == 30


@pytest.mark.slow
def test_entailment_scores_run_through_every_stage(workspace, encoder_folder, tmp_path_factory):
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    nli = tmp_path_factory.mktemp("nli")
    AutoTokenizer.from_pretrained(encoder_folder).save_pretrained(nli)
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    config = BertConfig.from_pretrained(encoder_folder, id2label=labels, initializer_range=0.5)
    BertForSequenceClassification(config).save_pretrained(nli)
    params = tiny_params(encoder_folder)
    params["taxonomy"]["similarity"] |= {"scorer": "entailment", "entailment_model": str(nli)}
    write_params(workspace, params)
    run(ALL)
    metrics = read("metrics/taxonomy/similarity.json")
    assert metrics["pairs_never_scored"] == int(np.isnan(np.load("data/taxonomy/similarity/train.npy")).sum()) > 0


def write_corpus(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.txt").write_text(content)


TEXTS = "".join(f"{number}\t{word} and more of {word}\n" for number, word in enumerate(["tea", "ball", "tax"] * 6))


@pytest.mark.parametrize(
    ("classes", "hierarchy"),
    [("0\teverything\n", ""), ("0\ttea\n1\tball\n2\ttax\n", ""), ("0\tx\n1\ttea\n2\tball\n", "0\t1\n0\t2\n")],
)
def test_small_and_flat_taxonomies_without_labels(workspace, change_params, classes, hierarchy, caplog):
    folder = workspace / "data/taxonomy/own"
    write_corpus(folder, classes=classes, class_hierarchy=hierarchy, train_corpus=TEXTS, test_corpus=TEXTS)
    change_params("taxonomy.data", str(folder))
    run(ALL[1:])
    evaluation = read("metrics/taxonomy/evaluation.json")
    assert evaluation["labels"] == {"test": False, "train": False}
    assert "example_f1" not in evaluation["trained"]


def test_a_label_file_for_other_documents_is_named(in_finished, tmp_path, monkeypatch):
    labels = in_finished / "data/taxonomy/sample/test_doc2labels.txt"
    content = labels.read_text()
    labels.write_text(content + "nobody\t3\n")
    with pytest.raises(InputError, match=r"test_doc2labels\.txt:31: document 'nobody' is not in the corpus"):
        evaluate.main()
    labels.write_text(content)


def stage_process(folder: Path, stage: str, kill_at: int | None) -> None:
    os.chdir(folder)
    module = {"train": train, "self_train": self_train}[stage]
    if kill_at is not None:
        from reprise.taxonomy.classifier.learner import Learner

        steps = iter(range(10_000))

        def die(self: Any, *arguments: Any) -> None:
            if next(steps) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(Learner, "on_train_batch_end", die)  # noqa: B010 -- mypy knows the original's signature
    module.main()


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "kill_at"), [("train", 7), ("train", 13), ("self_train", 1), ("self_train", 4)])
def test_a_killed_stage_ends_with_the_bytes_of_an_unbroken_one(workspace, change_params, stage, kill_at):
    change_params("taxonomy.self_train.lr_scale", 10.0)
    run([*BEFORE_TRAINING, train])
    context: Any = multiprocessing.get_context("forkserver")
    preload = ["tests.taxonomy.test_stages", "sentence_transformers", "torch_geometric.nn", "sklearn.naive_bayes"]
    context.set_forkserver_preload(preload)

    def in_process(step: int | None) -> int:
        process = context.Process(target=stage_process, args=(workspace, stage, step))
        process.start()
        process.join()
        return process.exitcode

    assert in_process(None) == 0
    unbroken = digests("models", "metrics")
    published = workspace / f"models/taxonomy/{'classifier' if stage == 'train' else 'self_trained'}.safetensors"
    published.unlink()
    assert in_process(kill_at) == -9
    assert not published.exists()
    assert list((workspace / f".checkpoints/taxonomy-{stage.replace('_', '-')}").iterdir())
    assert in_process(None) == 0
    assert digests("models", "metrics") == unbroken
