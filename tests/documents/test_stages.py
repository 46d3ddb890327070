"""All stages of the documents task, one after the other: the true configuration, made small."""

import functools
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from reprise.core.errors import InputError
from reprise.core.models import load_model
from reprise.documents.learning.learner import Learner
from reprise.documents.network.ensemble import load_ensemble, load_fold
from reprise.documents.network.out_of_fold import read_out_of_fold
from reprise.documents.network.views import average_views
from reprise.documents.stages import calibrate, evaluate, prepare, recipe, train
from reprise.tools.noise import Rows, check_rows
from tests.conftest import write_params
from tests.documents.all_stages import after_training, own, run_all
from tests.documents.helpers import FOLDS, KINDS, write_folder, write_own
from tests.processes import in_process
from tests.stage_files import digests, kill_at_batch, read


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
        logged = pd.read_csv(f"metrics/documents/fold-{fold}/plots/metrics/macro_f1.tsv", sep="\t")["macro_f1"][
            best - 1
        ]
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
        ids = pd.read_parquet(f"data/documents/out_of_fold/fold-{fold}/pages.parquet")["id"]
        assert ids.tolist() == table["id"].to_numpy()[rows].tolist()


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


def test_probabilities_are_of_the_folds_mean_logits_averaged_over_views(in_finished):
    ensemble = load_ensemble()
    assert ensemble.temperature == pytest.approx(read("metrics/documents/calibration.json")["temperature"])
    pages = np.load("data/documents/prepared_test/images.npy")[:1]
    shares, odds = np.zeros(3), 0.0
    for view in range(8):
        turned = np.rot90(pages[0][:, ::-1] if view >= 4 else pages[0], view % 4)
        logits = [ensemble.folds[fold].logits(turned[None].copy())[0, 0].double().numpy() for fold in FOLDS]
        mean = np.mean(logits, axis=0) / ensemble.temperature
        exponents = np.exp(mean - mean[3])
        shares += exponents[:3]
        odds += exponents[:3].sum()
    stored = pd.read_csv("metrics/documents/probabilities.csv")[list(KINDS)].to_numpy()[0]
    assert np.allclose(shares / odds, stored, atol=1e-4)


def test_scores_on_damaged_copies_are_those_of_the_stored_logits(in_finished):
    robust, ensemble = read("metrics/documents/evaluation.json")["robust"], load_ensemble()
    predicted, targets = [], []
    for fold in FOLDS:
        damaged = np.load(f"data/documents/out_of_fold/fold-{fold}/damaged.npy").astype(np.float64)
        predicted.append(average_views(damaged, 3, ensemble.temperature).argmax(1))
        targets.append(np.load(f"data/documents/out_of_fold/fold-{fold}/targets.npy"))
        assert damaged.shape == (8, len(targets[-1]), 4)
    expected = f1_score(np.concatenate(targets), np.concatenate(predicted), average="macro")
    assert robust["macro_f1"] == pytest.approx(expected)
    assert {"ece_before", "ece_after", "nll_before", "nll_after"} == read("metrics/documents/calibration.json")[
        "damaged"
    ].keys()


def test_the_items_come_to_the_stored_scores_and_the_intervals_hold_them(in_finished):
    evaluation = read("metrics/documents/evaluation.json")
    rows, test_rows = (
        Rows(Path(f"metrics/documents/{name}.csv").read_text(), name) for name in ("items", "test_items")
    )
    pages = pd.read_parquet("data/documents/prepared/pages.parquet").set_index("id")
    assert rows.numbers("group").tolist() == pages.loc[rows.column("ID"), "group"].tolist()
    check_rows("macro_f1", rows, ["label", "predicted"], evaluation["oof"]["macro_f1"], "out of fold")
    check_rows("macro_f1", rows, ["label", "corrupted"], evaluation["robust"]["macro_f1"], "corrupted")
    check_rows("macro_f1", test_rows, ["label", "predicted"], evaluation["test"]["macro_f1"], "test")
    for part in ("oof", "robust", "test"):
        low, high = evaluation[part]["macro_f1_ci95"]
        assert low - 1e-4 <= evaluation[part]["macro_f1"] <= high + 1e-4
    calibration = read("metrics/documents/calibration.json")
    assert calibration["ece_after_ci95"][0] <= calibration["ece_after"] <= calibration["ece_after_ci95"][1]


def test_a_wrong_label_is_suspected(in_finished):
    suspects = pd.read_csv("metrics/documents/suspects.csv")
    row = suspects[suspects["ID"] == "dots3"].iloc[0]
    assert (row["label"], row["predicted"], row["file"]) == ("bars", "dots", "dots3.png")


def test_a_model_says_what_it_is(in_finished):
    _, metadata = load_model(Path("models/documents/fold-1.safetensors"))
    assert metadata["recipe"]["model"] == "test_resnet"
    assert metadata["classes"] == list(KINDS)
    assert metadata["fold"] == 1


def test_two_runs_give_the_same_bytes(in_finished, tmp_path, monkeypatch):
    first = digests("data", "models", "metrics")
    monkeypatch.chdir(tmp_path)
    write_own()
    run_all(own())
    assert digests("data", "models", "metrics") == first


def test_weights_that_do_not_belong_to_the_logits_are_refused(in_finished):
    path = Path("models/documents/fold-0.safetensors")
    content = path.read_bytes()
    path.write_bytes(Path("models/documents/fold-1.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"fold-0\.safetensors: not the weights that were calibrated; run `dvc repro`"):
        evaluate.main()
    path.write_bytes(content)


def test_logits_are_of_the_pages_whose_ids_come_with_them(in_finished):
    table = pd.read_parquet("data/documents/prepared/pages.parquet")
    out_of_fold = read_out_of_fold(FOLDS)
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    rows = out_of_fold.rows_in(shuffled)
    assert shuffled["target"].to_numpy()[rows].tolist() == out_of_fold.targets.tolist()
    assert shuffled["fold"].to_numpy()[rows].tolist() == out_of_fold.folds.tolist()
    with pytest.raises(InputError, match="has logits, but is not among the prepared pages"):
        out_of_fold.rows_in(table.iloc[1:])


def test_fewer_folds_give_what_a_new_clone_gives_and_leave_nothing_of_the_others(in_finished, tmp_path, monkeypatch):
    one = own()
    one["documents"]["folds"] = [1]
    copy, fresh = tmp_path / "copy", tmp_path / "fresh"
    shutil.copytree(in_finished, copy)
    monkeypatch.chdir(copy)
    write_params(copy, one)
    after_training()
    fresh.mkdir()
    for name in ("own", "data", "models", "metrics"):
        shutil.copytree(in_finished / name, fresh / name, ignore=shutil.ignore_patterns("*fold-0*"))
    monkeypatch.chdir(fresh)
    write_params(fresh, one)
    after_training()
    monkeypatch.chdir(copy)
    old_clone = digests("data", "models", "metrics")
    monkeypatch.chdir(fresh)
    assert digests("data", "models", "metrics") == old_clone
    assert not any("fold-0" in path for path in old_clone)
    evaluation = read("metrics/documents/evaluation.json")
    assert evaluation["oof"]["folds"].keys() == {"1"}
    assert load_ensemble().folds.keys() == {1}
    table = pd.read_parquet("data/documents/prepared/pages.parquet")
    assert read("metrics/documents/calibration.json")["pages"] == (table["fold"] == 1).sum()


def test_calibration_can_be_left_out(in_finished, tmp_path, monkeypatch):
    params = own()
    params["documents"]["calibration"] = "none"
    copy = tmp_path / "copy"
    shutil.copytree(in_finished, copy)
    monkeypatch.chdir(copy)
    write_params(copy, params)
    calibrate.main()
    assert load_ensemble().temperature == 1
    params["documents"]["calibration"] = "isotonic"
    write_params(copy, params)
    with pytest.raises(InputError, match="'isotonic'; choose from none, temperature"):
        calibrate.main()


@pytest.mark.parametrize("folds", [[], [0, 0], ["0"], [True], [-1], 3, [0, 9]])
def test_folds_that_are_no_folds(in_finished, monkeypatch, tmp_path, folds):
    monkeypatch.chdir(tmp_path)
    params = own()
    params["documents"]["folds"] = folds
    write_params(tmp_path, params)
    with pytest.raises(InputError, match=r"documents\.folds: .*; expected a list of folds|fold-0.*no such file"):
        calibrate.main()


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
    with pytest.raises(InputError, match="no fold 7: the pages were split into the folds 0, 1"):
        train.main("7")


def test_a_fold_that_learns_nothing_fails_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(Path("own"))
    write_params(tmp_path, own(lr=1e-9, epochs=1))
    recipe.main()
    prepare.main()
    with pytest.raises(InputError, match="fold 0 ended at chance"):
        train.main("0")
    assert not Path("models/documents/fold-0.safetensors").exists()
    assert not Path("data/documents/out_of_fold").exists()


def test_names_are_data_from_the_first_stage_to_the_last(tmp_path, monkeypatch):
    """IDs and classes that libraries take for missing values, columns, formulas or markup."""
    monkeypatch.chdir(tmp_path)
    write_own()
    names = {"bars": "ID", "columns": "NA", "dots": "$x$\x1b[2J<b>"}
    meta = pd.read_csv("own/meta.csv").replace(names)
    meta.to_csv("own/meta.csv", index=False)
    for page, other in (("page0", "NA"), ("page1", "=1+1"), ("page2", "cafe\u0301")):
        Path(f"own/test/{page}.png").rename(f"own/test/{other}.png")
        for table in ("sample_submission.csv", "test_labels.csv"):
            given = "caf\u00e9" if page == "page2" else other  # composed in the tables, not in the file's name
            Path(f"own/{table}").write_text(Path(f"own/{table}").read_text().replace(page, given))
    run_all(own())
    assert read("metrics/documents/evaluation.json")["test"]["pages"] == 6
    assert list(read("metrics/documents/evaluation.json")["oof"]["per_class"]) == list(names.values())
    submission = pd.read_csv("metrics/documents/submission.csv", dtype=str, keep_default_na=False)
    listed = pd.read_csv("own/sample_submission.csv", dtype=str, keep_default_na=False)
    assert submission["ID"].tolist() == listed["ID"].tolist()
    assert "\x1b" not in Path("metrics/documents/suspects.csv").read_text()


def test_without_test_pages_all_stages_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(Path("own"), pages_per_kind=12, test_pages=0)
    Path("own/test").rmdir()
    run_all(own())
    assert "test" not in read("metrics/documents/evaluation.json")
    assert Path("metrics/documents/test_items.csv").read_text() == "ID,label,predicted\n"
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
    write_own()
    params = own(**{key: value for key, value in changes.items() if key != "views"}, epochs=4)
    params["documents"]["views"] = changes["views"]
    run_all(params)
    assert 0 <= read("metrics/documents/evaluation.json")["robust"]["macro_f1"] <= 1
    assert load_ensemble().views[0] == 0


def train_until_killed(folder: Path, steps: int | None) -> None:
    os.chdir(folder)
    train.refuse_chance = lambda *_: None  # so short a training ends at chance, which is not what is tested
    if steps is not None:
        kill_at_batch(Learner, steps)
    train.main("1")


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [1, 7, 11])
def test_a_killed_fold_ends_with_the_bytes_of_an_unbroken_one(tmp_path, monkeypatch, kill_at):
    monkeypatch.chdir(tmp_path)
    write_own()
    write_params(tmp_path, own(mixup=0.2, cutmix=1.0, erasing=0.2, ema_decay=0.5, epochs=4))
    recipe.main()
    prepare.main()
    train_fold = functools.partial(in_process, train_until_killed, tmp_path)
    assert train_fold(None) == 0
    unbroken = digests("data/documents/out_of_fold", "models", "metrics")
    Path("models/documents/fold-1.safetensors").unlink()
    assert train_fold(kill_at) == -9
    assert not Path("models/documents/fold-1.safetensors").exists()
    assert train_fold(None) == 0
    assert digests("data/documents/out_of_fold", "models", "metrics") == unbroken
