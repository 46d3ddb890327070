"""All stages of the documents task, one after the other: the true configuration, made small."""

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from reprise.core.errors import InputError
from reprise.core.models import load_model
from reprise.documents import predict, recipe
from reprise.documents.data.images import cache_size, decode
from reprise.documents.network.ensemble import load_ensemble, load_fold
from reprise.documents.stages import calibrate, evaluate, prepare, train
from tests.conftest import tiny_params, write_params
from tests.documents.helpers import KINDS, draw_page, write_folder
from tests.stage_files import digests, read

FOLDS = [0, 1]


def tiny(**changes: Any) -> dict[str, Any]:
    params = tiny_params(Path("none"))
    params["documents"] |= {"data": "own"}
    params["documents"]["recipes"]["quick"] |= changes
    return params


def train_fold(fold: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("sys.argv", ["train", str(fold)])
        train.main()


def run_all(params: dict[str, Any]) -> None:
    write_params(Path(), params)
    recipe.main()
    prepare.main()
    for fold in FOLDS:
        train_fold(fold)
    calibrate.main()
    predict.main()
    evaluate.main()


def make_own(folder: Path = Path("own")) -> None:
    """A person's folder with a list of the test pages, their labels, and one wrong label."""
    write_folder(folder, pages_per_kind=20, test_pages=6)
    table = pd.read_csv(folder / "train.csv")
    table.loc[table["ID"] == "dots3", "target"] = 0
    table.to_csv(folder / "train.csv", index=False)
    names = [f"page{number}" for number in (4, 2, 0, 5, 1, 3)]
    pd.DataFrame({"ID": names, "target": 0}).to_csv(folder / "sample_submission.csv", index=False)
    targets = [int(name[4:]) % 3 for name in names]
    pd.DataFrame({"ID": names, "target": targets}).iloc[::-1].to_csv(folder / "test_labels.csv", index=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    before = Path.cwd()
    os.chdir(folder)
    make_own()
    run_all(tiny())
    os.chdir(before)
    return folder


@pytest.fixture
def in_finished(finished, monkeypatch):
    monkeypatch.chdir(finished)
    return finished


def test_every_promised_file_and_figure_is_there(in_finished):
    evaluation = read("metrics/documents/evaluation.json")
    assert {"macro_f1", "accuracy", "per_class"} <= evaluation["oof"].keys()
    assert {"macro_f1", "per_corruption"} <= evaluation["robust"].keys()
    assert evaluation["oof"]["per_class"].keys() == set(KINDS)
    assert evaluation["test"]["pages"] == 6
    assert {"ece_before", "ece_after", "nll_before", "nll_after"} <= read("metrics/documents/calibration.json").keys()
    for fold in FOLDS:
        metrics = read(f"metrics/documents/fold-{fold}/metrics.json")
        assert {"train_loss", "valid_loss", "macro_f1", "accuracy", "lr", "best_epoch"} <= metrics.keys()
        timing = read(f"metrics/documents/timing/fold-{fold}.json")
        assert {"seconds", "peak_memory_mib"} <= timing.keys()
        logits = np.load(f"data/documents/out_of_fold/fold-{fold}/logits.npy")
        targets = np.load(f"data/documents/out_of_fold/fold-{fold}/targets.npy")
        assert logits.shape == (len(targets), 3)
    for name in ("class_distribution", "reliability", "confusion", "robustness", "suspects"):
        assert Path(f"metrics/documents/{name}.png").read_bytes().startswith(b"\x89PNG")


def test_out_of_fold_scores_are_those_of_the_stored_logits_and_of_the_logged_epoch(in_finished):
    evaluation = read("metrics/documents/evaluation.json")
    predicted, targets = [], []
    for fold in FOLDS:
        logits = np.load(f"data/documents/out_of_fold/fold-{fold}/logits.npy")
        predicted.append(logits.argmax(1))
        targets.append(np.load(f"data/documents/out_of_fold/fold-{fold}/targets.npy"))
        own = f1_score(targets[-1], predicted[-1], average="macro")
        best = read(f"metrics/documents/fold-{fold}/metrics.json")["best_epoch"]
        logged = pd.read_csv(f"metrics/documents/fold-{fold}/plots/metrics/macro_f1.tsv", sep="\t")["macro_f1"][best]
        assert evaluation["oof"]["folds"][str(fold)]["macro_f1"] == pytest.approx(own, abs=1e-9)
        assert logged == pytest.approx(own, abs=1e-6)
    expected = f1_score(np.concatenate(targets), np.concatenate(predicted), average="macro")
    assert evaluation["oof"]["macro_f1"] == pytest.approx(expected)


def test_stored_logits_are_those_of_the_stored_weights_on_the_folds_own_pages(in_finished):
    table = pd.read_parquet("data/documents/prepared/pages.parquet")
    pages = np.load("data/documents/prepared/images.npy")
    for fold in FOLDS:
        rows = np.flatnonzero(table["fold"] == fold)
        logits = load_fold(Path(f"models/documents/fold-{fold}.safetensors")).logits(pages[rows])[0].numpy()
        stored = np.load(f"data/documents/out_of_fold/fold-{fold}/logits.npy")
        assert np.allclose(logits[:, :3], stored, atol=1e-4)
        targets = np.load(f"data/documents/out_of_fold/fold-{fold}/targets.npy")
        assert targets.tolist() == table["target"].to_numpy()[rows].tolist()


def test_the_submission_has_the_order_and_columns_of_the_list(in_finished):
    listed, submission = pd.read_csv("own/sample_submission.csv"), pd.read_csv("metrics/documents/submission.csv")
    assert submission.columns.tolist() == listed.columns.tolist()
    assert submission["ID"].tolist() == listed["ID"].tolist()
    every = pd.read_csv("metrics/documents/probabilities.csv")
    assert every.columns.tolist() == ["ID", *KINDS]
    assert np.allclose(every[list(KINDS)].sum(axis=1), 1, atol=1e-5)
    assert submission["target"].tolist() == every[list(KINDS)].to_numpy().argmax(1).tolist()
    truth = [int(name[4:]) % 3 for name in submission["ID"]]
    expected = f1_score(truth, submission["target"], average="macro")
    assert read("metrics/documents/evaluation.json")["test"]["macro_f1"] == pytest.approx(expected)


def test_probabilities_are_the_mean_over_folds_and_views_of_calibrated_ones(in_finished):
    ensemble = load_ensemble()
    assert ensemble.temperature == pytest.approx(read("metrics/documents/calibration.json")["temperature"])
    pages = np.load("data/documents/prepared_test/images.npy")[:1]
    total = np.zeros(3)
    for fold in FOLDS:
        shares, odds = np.zeros(3), 0.0
        for view in range(8):
            turned = np.rot90(pages[0][:, ::-1] if view >= 4 else pages[0], view % 4)
            logits = ensemble.folds[fold].logits(turned[None].copy())[0, 0].double().numpy() / ensemble.temperature
            exponents = np.exp(logits - logits[3])
            shares += exponents[:3]
            odds += exponents[:3].sum()
        total += shares / odds / len(FOLDS)
    stored = pd.read_csv("metrics/documents/probabilities.csv")[list(KINDS)].to_numpy()[0]
    assert np.allclose(total, stored, atol=1e-4)


def test_a_wrong_label_is_suspected(in_finished):
    suspects = pd.read_csv("metrics/documents/suspects.csv")
    row = suspects[suspects["ID"] == "dots3"].iloc[0]
    assert (row["label"], row["predicted"], row["file"]) == ("bars", "dots", "dots3.png")


def call_predict(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["predict", *(str(argument) for argument in arguments)])
    code = predict.command(predict.parse_arguments())
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_any_image_is_predicted_from_the_models_alone(in_finished, tmp_path, monkeypatch, capsys):
    (tmp_path / "models").symlink_to(in_finished / "models")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    for number, kind in enumerate(KINDS):
        draw_page(kind, 50 + number).rotate(90).save(tmp_path / f"scans/{number}.jpg")
    draw_page("dots", 60).convert("CMYK").save(tmp_path / "one.tif")
    code, records, _ = call_predict(monkeypatch, capsys, "one.tif", "scans", "--accelerator", "cpu")
    assert code == 0
    assert [record["path"] for record in records] == ["one.tif", "scans/0.jpg", "scans/1.jpg", "scans/2.jpg"]
    ensemble = load_ensemble()
    for record in records:
        page = decode(Path(record["path"]), cache_size(ensemble.image_size), 200.0).pixels[None]
        expected = ensemble.probabilities(page)[0]
        assert list(record["probabilities"].values()) == pytest.approx(expected, abs=1e-5)
        assert record["class_name"] == KINDS[expected.argmax()]
        assert record["probability"] == pytest.approx(expected.max(), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jpg"], "none.jpg: no such file"),
        (["empty"], "empty: no image in it; known extensions are"),
        (["text.png"], "text.png: not an image that can be read"),
        (["own/test", "--models", "nowhere"], "nowhere/ensemble.json: no such file"),
    ],
)
def test_prediction_says_what_is_missing(in_finished, monkeypatch, capsys, arguments, message):
    Path("empty").mkdir(exist_ok=True)
    Path("text.png").write_text("not a picture")
    code, records, errors = call_predict(monkeypatch, capsys, *arguments, "--accelerator", "cpu")
    assert (code, records) == (1, [])
    assert errors.startswith(message)
    assert errors.count("\n") == 1


def test_a_model_says_what_it_is(in_finished):
    _, metadata = load_model(Path("models/documents/fold-1.safetensors"))
    assert metadata["recipe"]["model"] == "test_resnet"
    assert metadata["classes"] == list(KINDS)
    assert metadata["fold"] == 1


def test_two_runs_give_the_same_bytes(in_finished, tmp_path, monkeypatch):
    first = digests("data", "models", "metrics")
    monkeypatch.chdir(tmp_path)
    make_own()
    run_all(tiny())
    assert digests("data", "models", "metrics") == first


def test_weights_that_do_not_belong_to_the_logits_are_refused(in_finished):
    path = Path("models/documents/fold-0.safetensors")
    content = path.read_bytes()
    path.write_bytes(Path("models/documents/fold-1.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"fold-0\.safetensors: missing, or not the weights that gave .*`dvc repro`"):
        evaluate.main()
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda table: pd.concat([table, pd.DataFrame({"ID": ["x"], "target": [0]})]), "label for 'x', which is not"),
        (lambda table: table.iloc[1:], r"1 test pages have no label, such as 'page3'"),
    ],
)
def test_test_labels_that_do_not_match(in_finished, rows, message):
    path = Path("own/test_labels.csv")
    content = path.read_text()
    rows(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        evaluate.main()
    path.write_text(content)


def test_a_fold_that_is_not_one_of_the_parameters(in_finished):
    with pytest.raises(InputError, match="no page is in fold 7"):
        train_fold(7)


def test_a_fold_that_learns_nothing_fails_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(Path("own"))
    write_params(tmp_path, tiny(lr=1e-9, epochs=1))
    recipe.main()
    prepare.main()
    with pytest.raises(InputError, match="fold 0 ended at chance"):
        train_fold(0)
    assert not Path("models/documents/fold-0.safetensors").exists()
    assert not Path("data/documents/out_of_fold").exists()


def test_without_test_pages_all_stages_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(Path("own"), pages_per_kind=12, test_pages=0)
    Path("own/test").rmdir()
    run_all(tiny())
    assert "test" not in read("metrics/documents/evaluation.json")
    assert pd.read_csv("metrics/documents/submission.csv").empty


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"orientation": "fixed", "augmentation": "light", "views": "none"},
        {"orientation": "augment", "pooling": "gem", "mixup": 0.2, "cutmix": 1.0, "views": "flips"},
        {"model": "vit_tiny_patch16_224", "pooling": "token", "lr": 1e-3, "layer_decay": 0.7, "views": "turns"},
        {"precision": "bf16-mixed", "ema_decay": 0.5, "average_best": 2, "loss": "focal", "views": "turns"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_other_recipes_run_through_every_stage(tmp_path, monkeypatch, changes):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "refuse_chance", lambda *_: None)  # a few steps of a large network learn nothing
    make_own()
    params = tiny(**{key: value for key, value in changes.items() if key != "views"}, epochs=4)
    params["documents"]["views"] = changes["views"]
    run_all(params)
    assert 0 <= read("metrics/documents/evaluation.json")["robust"]["macro_f1"] <= 1
    assert load_ensemble().views[0] == 0


def stage_process(folder: Path, kill_at: int | None) -> None:
    os.chdir(folder)
    train.refuse_chance = lambda *_: None  # so short a training ends at chance, which is not what is tested
    if kill_at is not None:
        from reprise.documents.network.learner import Learner

        steps = iter(range(10_000))

        def die(self: Any, *arguments: Any) -> None:
            if next(steps) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(Learner, "on_train_batch_end", die)  # noqa: B010 -- mypy knows the original's signature
    train_fold(1)


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [1, 7, 11])
def test_a_killed_fold_ends_with_the_bytes_of_an_unbroken_one(tmp_path, monkeypatch, kill_at):
    monkeypatch.chdir(tmp_path)
    make_own()
    write_params(tmp_path, tiny(mixup=0.2, cutmix=1.0, erasing=0.2, ema_decay=0.5, epochs=4))
    recipe.main()
    prepare.main()
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.documents.test_stages"])

    def in_process(step: int | None) -> int:
        process = context.Process(target=stage_process, args=(tmp_path, step))
        process.start()
        process.join()
        return process.exitcode

    assert in_process(None) == 0
    unbroken = digests("data/documents/out_of_fold", "models", "metrics")
    Path("models/documents/fold-1.safetensors").unlink()
    assert in_process(kill_at) == -9
    assert not Path("models/documents/fold-1.safetensors").exists()
    assert in_process(None) == 0
    assert digests("data/documents/out_of_fold", "models", "metrics") == unbroken
