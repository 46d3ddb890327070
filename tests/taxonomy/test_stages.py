"""All stages, one after the other, on a tiny sample: the true configuration, made small."""

import csv
import functools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model
from reprise.taxonomy import paths, predict
from reprise.taxonomy.classifier.decision import predict_sets
from reprise.taxonomy.classifier.learner import split_documents
from reprise.taxonomy.classifier.predictor import Predictor
from reprise.taxonomy.data.hierarchy import load_hierarchy
from reprise.taxonomy.data.hierarchy_files import read_hierarchy
from reprise.taxonomy.export import pretrained_of
from reprise.taxonomy.stages import core_classes, evaluate, prepare, recipe, sample, self_train, similarity, train
from reprise.tools.noise import Rows, check_rows
from tests.conftest import tiny_params, write_params
from tests.processes import in_process
from tests.stage_files import digests, kill_at_batch, read
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
    assert Path("metrics/taxonomy/train/plots/steps/plots/metrics/train_loss.tsv").exists()
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
    rows = Rows(Path("metrics/taxonomy/items.csv").read_text(), "items.csv")
    assert rows.column("doc_id") == pd.read_parquet("data/taxonomy/prepared/test.parquet")["doc_id"].tolist()
    for name in ("zero_shot", "self_trained"):
        check_rows("mean", rows, [name], evaluation[name]["example_f1"], name)
    for name in ("headline.png", "confusion.png", "f1_by_silver_documents.png", "examples.csv", "per_class.csv"):
        assert Path("metrics/taxonomy", name).stat().st_size > 500


def test_a_person_is_asked_about_all_leaves_and_some_documents(in_finished):
    unclear, questions = (pd.read_csv(f"metrics/taxonomy/{name}.csv") for name in ("unclear_classes", "ask"))
    hierarchy = read_hierarchy(Path("data/taxonomy/sample"))
    assert sorted(unclear["id"]) == sorted(int(hierarchy.ids[leaf]) for leaf in hierarchy.leaves)
    assert unclear["doubt"].is_monotonic_decreasing
    assert unclear["documents"].sum() == 80
    assert len(questions) == 30
    assert set(questions["doc_id"]) <= set(pd.read_parquet("data/taxonomy/prepared/train.parquet")["doc_id"])


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


@pytest.mark.parametrize("edges", [True, False])
def test_zero_epochs_publish_weights_from_elsewhere(in_finished, tmp_path, monkeypatch, encoder_folder, edges):
    weights = in_finished / "models/taxonomy/classifier.safetensors"
    given, _ = load_model(weights)
    if not edges:
        weights = tmp_path / "best.pt"
        state = {name: tensor for name, tensor in given.items() if name != "classifier.edge_index"}
        torch.save({"model_state_dict": state, "epoch": 3}, weights)
    params = tiny_params(encoder_folder)
    params["taxonomy"]["recipes"]["minilm"] |= {"weights": str(weights), "epochs": 0}
    params["taxonomy"]["self_train"]["iterations"] = 0
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, params)
    run(ALL)
    published = [load_model(Path(f"models/taxonomy/{name}.safetensors"))[0] for name in ("classifier", "self_trained")]
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


def test_a_frozen_encoders_evidence_is_that_of_zero_shot(in_finished):
    hierarchy = load_hierarchy(paths.HIERARCHY)
    predictor = Predictor(paths.TRAINED, ["cpu"])
    embeddings = np.load(paths.embeddings_path("test"))
    evidence = predictor.evidence(embeddings, predictor.logits(embeddings))
    assert (evidence < predictor.evidence_threshold).any(), "else the threshold decides nothing"
    scores, sets = evaluate.predict_zero_shot(hierarchy, predictor.recipe.abstain_odds)
    leaves = scores[:, hierarchy.leaves]
    expected = predict_sets(leaves, evidence, predictor.evidence_threshold, hierarchy)
    np.testing.assert_array_equal(sets, expected)


def test_a_trained_encoder_changes_nothing_of_zero_shot(in_finished, tmp_path, monkeypatch, encoder_folder):
    before = read("metrics/taxonomy/evaluation.json")
    shutil.copytree(in_finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    params = tiny_params(encoder_folder)
    params["taxonomy"]["train"] |= {"trained_layers": 1, "encoder_lr_scale": 0.1, "epochs": 1}
    write_params(tmp_path, params)
    run((recipe, train, self_train, evaluate))
    after = read("metrics/taxonomy/evaluation.json")
    assert after["trained"] != before["trained"]
    assert after["zero_shot"] == before["zero_shot"]


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
    [("0\ttea\n1\tball\n", ""), ("0\ttea\n1\tball\n2\ttax\n", ""), ("0\tx\n1\ttea\n2\tball\n", "0\t1\n0\t2\n")],
)
def test_small_and_flat_taxonomies_without_labels(workspace, change_params, classes, hierarchy, caplog):
    folder = workspace / "data/taxonomy/own"
    write_corpus(folder, classes=classes, class_hierarchy=hierarchy, train_corpus=TEXTS, test_corpus=TEXTS)
    change_params("taxonomy.data", str(folder))
    run(ALL[1:])
    evaluation = read("metrics/taxonomy/evaluation.json")
    assert evaluation["labels"] == {"test": False, "train": False}
    assert "example_f1" not in evaluation["trained"]
    assert Path("metrics/taxonomy/items.csv").read_text() == "doc_id,zero_shot,self_trained\n"


@pytest.mark.parametrize("rule", ["refined", "paper"])
def test_seed_documents_and_keywords_reach_every_stage(workspace, change_params, rule):
    folder = workspace / "data/taxonomy/own"
    files = {"classes": "0\ttea\n1\tball\n2\ttax\n", "class_hierarchy": "", "seed_documents": "4\t0\n7\t2,0\n"}
    files |= {"class_related_keywords": "tax:money that the state takes,levy\n"}
    write_corpus(folder, **files, train_corpus=TEXTS, test_corpus=TEXTS)
    change_params("taxonomy.data", str(folder))
    change_params("taxonomy.core_classes.rule", rule)
    run(ALL[1:])
    assert read("metrics/taxonomy/data.json")["seed_documents"] == 2
    assert read("metrics/taxonomy/data.json")["classes_with_seed_documents"] == 2
    silver = pd.read_parquet("data/taxonomy/silver/core_classes.parquet")["core_classes"]
    assert [sorted(silver[row]) for row in (4, 7)] == [["0"], ["0", "2"]]
    assert np.load("data/taxonomy/silver/posterior.npy")[[4, 7]].tolist() == [[1, 0, 0], [0.5, 0, 0.5]]


def test_the_encoder_that_seed_documents_tuned_is_the_one_that_predicts(workspace, change_params):
    folder = workspace / "data/taxonomy/own"
    files = {"classes": "0\ttea\n1\tball\n2\ttax\n", "class_hierarchy": "", "seed_documents": "4\t1\n7\t2\n"}
    write_corpus(folder, **files, train_corpus=TEXTS, test_corpus=TEXTS)
    change_params("taxonomy.data", str(folder))
    texts, embeddings = [line.partition("\t")[2] for line in TEXTS.splitlines()], []
    for tune_from in (0.5, None):
        change_params("taxonomy.similarity.tune_from", tune_from)
        run(ALL[1:])
        embeddings.append(np.load(paths.embeddings_path("test")))
        predictor = Predictor(paths.SELF_TRAINED, ["cpu"])
        assert predictor.encoder_tuned == (tune_from is not None) == paths.TUNING.exists()
        assert read("metrics/taxonomy/similarity.json")["tuned"] == predictor.encoder_tuned
        assert pretrained_of(predictor, ("encoder/model",))[0].separate == (
            () if predictor.encoder_tuned else ("encoder/model", "onnx/tokenizer.json")
        )
        np.testing.assert_allclose(predictor.embed(texts, "test", cache=False), embeddings[-1], atol=1e-5)
    assert np.abs(embeddings[0] - embeddings[1]).max() > 1e-3


@pytest.mark.parametrize("seeds", ["4\t0,1\n7\t2,0\n", "4\t0\n"])
def test_seed_documents_of_too_few_classes_leave_the_encoder_as_it_is(workspace, change_params, seeds):
    folder = workspace / "data/taxonomy/own"
    files = {"classes": "0\ttea\n1\tball\n2\ttax\n", "class_hierarchy": "", "seed_documents": seeds}
    write_corpus(folder, **files, train_corpus=TEXTS, test_corpus=TEXTS)
    change_params("taxonomy.data", str(folder))
    prepare.main()
    similarity.main()
    assert not paths.TUNING.exists()


def test_a_classifier_whose_tuned_encoder_is_elsewhere_starts_no_training(workspace, change_params):
    folder = workspace / "data/taxonomy/own"
    classes = {"classes": "0\ttea\n1\tball\n2\ttax\n", "class_hierarchy": ""}
    write_corpus(folder, **classes, train_corpus=TEXTS, test_corpus=TEXTS)
    change_params("taxonomy.data", str(folder))
    change_params("taxonomy.similarity.tune_from", 0)
    run(ALL[1:])
    weights = workspace / "tuned.safetensors"
    shutil.copy(paths.TRAINED, weights)
    change_params("taxonomy.train.weights", str(weights))
    recipe.main()
    with pytest.raises(InputError, match=r"tuned\.safetensors: its encoder was tuned on seed documents, and is not in"):
        train.main()


def test_a_bad_seed_document_stops_prepare_before_it_writes(workspace, change_params):
    folder = workspace / "data/taxonomy/own"
    files = {"classes": "0\ttea\n1\tball\n", "class_hierarchy": "", "seed_documents": "4\t0\n99\t0\n"}
    write_corpus(folder, **files, train_corpus=TEXTS, test_corpus=TEXTS)
    change_params("taxonomy.data", str(folder))
    with pytest.raises(InputError, match=r"seed_documents\.txt:2: document '99' is not in the corpus"):
        prepare.main()
    assert not Path("data/taxonomy/prepared").exists()


def test_a_label_file_for_other_documents_is_named(in_finished, tmp_path, monkeypatch):
    labels = in_finished / "data/taxonomy/sample/test_doc2labels.txt"
    content = labels.read_text()
    labels.write_text(content + "nobody\t3\n")
    with pytest.raises(InputError, match=r"test_doc2labels\.txt:31: document 'nobody' is not in the corpus"):
        evaluate.main()
    labels.write_text(content)


Rewrite = Callable[[list[str]], list[str]]

NAMES = {"NA": "NA", "nan": "$a$", "007": "=1+1", "None": "null"}


def test_names_that_libraries_would_read_go_through_every_stage(workspace, change_params):
    folder = workspace / "data/taxonomy/own"
    classes = "".join(f"{identifier}\t{name}\n" for identifier, name in NAMES.items())
    documents = [*NAMES, "1e5", "True", "e\u0301"]
    corpus = "".join(f"{document}\ttea and {document}\n" for document in documents)
    labels = "".join(f"{document}\t{[*NAMES][row % 4]}\n" for row, document in enumerate(documents))
    write_corpus(folder, classes=classes, train_corpus=corpus, test_corpus=corpus, test_doc2labels=labels)
    change_params("taxonomy.data", str(folder))
    run(ALL[1:])
    assert read("metrics/taxonomy/evaluation.json")["trained"]["documents"] == 7
    with Path("metrics/taxonomy/per_class.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["NA", "$a$", "'=1+1", "null"]


def test_labels_of_leaves_alone_are_closed_and_counted(in_finished, caplog, change_labels):
    before = read("metrics/taxonomy/evaluation.json")
    assert before["ancestors"]["test"]["documents_lacking_ancestors"] == 0
    hierarchy = read_hierarchy(Path("data/taxonomy/sample"))

    def without_ancestors(identifiers: list[str]) -> list[str]:
        own = [hierarchy.ids.index(identifier) for identifier in identifiers]
        above = {parent for index in own for parent in hierarchy.parents[index]}
        return [hierarchy.ids[index] for index in own if index not in above]

    change_labels(without_ancestors)
    evaluate.main()
    after = read("metrics/taxonomy/evaluation.json")
    assert after["ancestors"]["test"]["closed"]
    assert after["ancestors"]["test"]["documents_lacking_ancestors"] > 20
    assert after["trained"] == before["trained"]
    assert "lack ancestors" in caplog.text


@pytest.fixture
def change_labels(in_finished: Path) -> Iterator[Callable[[Rewrite], None]]:
    """Rewrites the test labels of the finished folder, and puts them back."""
    path = in_finished / "data/taxonomy/sample/test_doc2labels.txt"
    content = path.read_text()

    def change(rewrite: Rewrite) -> None:
        pairs = [line.split("\t") for line in content.splitlines()]
        lines = [f"{document}\t{','.join(rewrite(own.split(',') if own else []))}\n" for document, own in pairs]
        path.write_text("".join(lines))

    yield change
    path.write_text(content)
    evaluate.main()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("taxonomy.data", None, r"taxonomy\.data: expected the path of a file or folder, got None"),
        ("taxonomy.data", 5, r"taxonomy\.data: expected the path of a file or folder, got 5"),
        ("taxonomy.similarity.templates", ["{label}"], r"similarity\.templates\.0: .*is no field of a template"),
        ("taxonomy.similarity.templates", [], r"similarity\.templates: .*at least 1"),
        ("taxonomy.similarity.templates", "{name}", r"similarity\.templates: .*list"),
        ("taxonomy.similarity.hypothesis", "{name} {parent}", r"similarity\.hypothesis: .*is no field of a template"),
        ("taxonomy.similarity.batch_size", 0, r"similarity\.batch_size: .*greater than or equal to 1, got 0"),
        ("taxonomy.similarity.max_tokens", -1, r"similarity\.max_tokens"),
        ("taxonomy.core_classes.refined.trust_low", 0.9, r"refined: trust_low is 0.9 and trust_high 0.8; expected"),
        ("taxonomy.core_classes.refined.sharpness", float("inf"), r"refined\.sharpness"),
        ("taxonomy.core_classes.refined.core_confidence", 2, r"refined\.core_confidence"),
        ("taxonomy.self_train.confident", 1, r"self_train\.confident"),
        ("taxonomy.evaluate.labels", "both", r"evaluate\.labels: .*'as_given'"),
        ("taxonomy.sample.typos", 1.5, r"sample\.typos"),
        ("taxonomy.prepare.near_empty_words", -1, r"prepare\.near_empty_words"),
    ],
)
def test_parameters_out_of_range_are_one_line(in_finished, encoder_folder, key, value, message):
    section = key.split(".")[1]
    stage = {"data": prepare, "evaluate": evaluate, "sample": sample, "prepare": prepare}.get(section)
    stage = stage or {"similarity": similarity, "core_classes": core_classes, "self_train": self_train}[section]
    original = Path("params.yaml").read_text()
    params = tiny_params(encoder_folder)
    place = params
    for part in key.split(".")[:-1]:
        place = place[part]
    place[key.split(".")[-1]] = value
    write_params(in_finished, params)
    try:
        with pytest.raises(InputError, match=message) as error:
            stage.main()
    finally:
        Path("params.yaml").write_text(original)
    assert str(error.value).isprintable()


def test_a_share_of_validation_that_leaves_nothing_to_train_on():
    with pytest.raises(InputError, match=r"valid_fraction is 0.999: of 8 labelled documents none is left"):
        split_documents(np.ones(8, dtype=bool), np.zeros(8, dtype=bool), 0.999, 0)


@pytest.mark.slow
def test_replaced_weights_never_resume_a_killed_run(in_finished, tmp_path, monkeypatch, encoder_folder):
    tensors, metadata = load_model(Path("models/taxonomy/classifier.safetensors"))
    params = tiny_params(encoder_folder)
    params["taxonomy"]["train"] |= {"weights": "start.safetensors"}
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, params)
    run(BEFORE_TRAINING)

    def killed_run(scale: float) -> Path:
        changed = {name: tensor * scale if name.endswith("bilinear") else tensor for name, tensor in tensors.items()}
        save_model(Path("start.safetensors"), changed, metadata)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "save_model", kill)
            with pytest.raises(KeyboardInterrupt):
                train.main()
        (folder,) = Path(".checkpoints/taxonomy-train").iterdir()
        return folder

    first = killed_run(1.0)
    assert killed_run(1.0) == first
    assert killed_run(1.1) != first


def kill(*arguments: Any) -> None:
    raise KeyboardInterrupt


def test_damaged_weights_are_refused_before_anything_is_computed(in_finished, tmp_path, monkeypatch, encoder_folder):
    params = tiny_params(encoder_folder)
    params["taxonomy"]["train"] |= {"weights": "start.safetensors"}
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, params)
    Path("start.safetensors").write_bytes(b"no weights")
    recipe.main()
    with pytest.raises(InputError, match=r"start\.safetensors"):
        train.main()  # where even the prepared data is missing


def test_weights_of_another_shape_are_refused_before_texts_are_embedded(
    in_finished, tmp_path, monkeypatch, encoder_folder
):
    tensors, _ = load_model(in_finished / "models/taxonomy/classifier.safetensors")
    tensors["classifier.bias"] = tensors["classifier.bias"][:-1]
    torch.save(tensors, tmp_path / "start.pt")
    params = tiny_params(encoder_folder)
    params["taxonomy"]["train"] |= {"weights": str(tmp_path / "start.pt")}
    write_params(tmp_path, params)
    shutil.copytree(in_finished / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "training_embeddings", lambda *_: pytest.fail("texts were embedded"))
    recipe.main()
    with pytest.raises(InputError, match=r"start\.pt: classifier\.bias: shape \(31,\), the model has \(32,\)"):
        train.main()


def test_four_million_paths_go_through_every_stage(workspace, change_params):
    folder = workspace / "data/taxonomy/own"
    classes = ["r", *(f"{letter}{level}" for level in range(22) for letter in "ab")]
    edges = [("r", "a0"), ("r", "b0")]
    edges += [(f"{up}{level}", f"{down}{level + 1}") for level in range(21) for up in "ab" for down in "ab"]
    write_corpus(
        folder,
        classes="".join(f"{name}\tkind {name}\n" for name in classes),
        class_hierarchy="".join(f"{parent}\t{child}\n" for parent, child in edges),
        train_corpus=TEXTS,
        test_corpus=TEXTS,
    )
    change_params("taxonomy.data", str(folder))
    started = time.process_time()
    run(ALL[1:])
    assert time.process_time() - started < 60
    classifier = predict.open_torch(paths.MODELS, None, "cpu")
    records = list(predict.predict_by(classifier, [predict.Document("0", "cheese pizza")], 2))
    assert len(records[0]["top"]) == 2
    assert all(len(found["ids"]) <= 23 for found in records[0]["classes"])


def stage_process(folder: Path, stage: str, kill_at: int | None) -> None:
    os.chdir(folder)
    module = {"train": train, "self_train": self_train}[stage]
    if kill_at is not None:
        from reprise.taxonomy.classifier.learner import Learner

        kill_at_batch(Learner, kill_at)
    module.main()


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "kill_at"), [("train", 7), ("train", 13), ("self_train", 1), ("self_train", 4)])
def test_a_killed_stage_ends_with_the_bytes_of_an_unbroken_one(workspace, change_params, stage, kill_at):
    change_params("taxonomy.self_train.lr_scale", 10.0)
    run([*BEFORE_TRAINING, train])
    run_stage = functools.partial(in_process, stage_process, workspace, stage)
    assert run_stage(None) == 0
    unbroken = digests("models", "metrics")
    published = workspace / f"models/taxonomy/{'classifier' if stage == 'train' else 'self_trained'}.safetensors"
    published.unlink()
    assert run_stage(kill_at) == -9
    assert not published.exists()
    assert list((workspace / f".checkpoints/taxonomy-{stage.replace('_', '-')}").iterdir())
    assert run_stage(None) == 0
    assert digests("models", "metrics") == unbroken
