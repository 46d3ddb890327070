"""Exact repetition and exact resume are properties of fit(), whatever is trained."""

import json
import logging
import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reprise.core.errors import InputError
from reprise.core.models import load_model
from reprise.core.recipe import TrainParams
from reprise.core.weights import read_state_dict
from reprise.training.checkpoints import checkpoint_folder, set_aside_damaged
from reprise.training.epoch_log import TrainingDivergedError
from tests.training.toy_training import EXAMPLES, LOG, SETTINGS, Toy, train_in_process, train_toy

CHECKPOINT: dict[str, Any] = {"state_dict": {"w": torch.arange(50.0)}, "epoch": 2, "optimizer_states": []}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ema": {"ema_decay": 0.9},
    "mean of the 2 best": {"average_best": 2},
    "accumulation": {"accumulate": 2},
    "early stopping": {"patience": 1, "lr": 0.5, "epochs": 8},
    "loader processes": {"epochs": 2},
    "a schedule that steps once an epoch": {},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "loader processes": {"workers": 1},
    "a schedule that steps once an epoch": {"interval": "epoch"},
}


def settings(**changes: object) -> TrainParams:
    return SETTINGS.model_copy(update=changes)


def outputs(folder: Path) -> dict[str, bytes]:
    files = [folder / "toy.safetensors", *sorted((folder / "live").rglob("*"))]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "timing/live/metrics.jsonl").read_text().splitlines()]


def without_cost(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in record.items() if key not in ("seconds", "examples_per_second", "peak_memory_mib")
    }


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    return whole, broken


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_runs_end_with_the_bytes_of_an_unbroken_one(variant, folders):
    whole, broken = folders
    chosen, options = settings(**VARIANTS[variant]), OPTIONS.get(variant, {})
    assert train_in_process(whole, chosen, **options) == 0
    last_step = len(pd.read_csv(whole / "live/plots/metrics/valid_loss.tsv", sep="\t")) * 6 - 1
    draw = random.Random(variant)
    for step in sorted(draw.sample(range(last_step + 1), 1 if options.get("workers") else 3)):
        assert train_in_process(broken, chosen, kill_at=step, **options) == -9
        assert not (broken / "toy.safetensors").exists()
    assert train_in_process(broken, chosen, **options) == 0
    assert outputs(broken) == outputs(whole)
    assert not list((broken / ".checkpoints/toy").glob("*"))
    lines, expected = ([without_cost(record) for record in epochs_of(folder)] for folder in (broken, whole))
    assert lines == expected


@pytest.mark.parametrize("variant", ["plain", "ema", "accumulation"])
def test_the_published_weights_are_those_that_were_validated(variant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = settings(**VARIANTS[variant])
    result = train_toy(tmp_path, chosen)
    toy = Toy(chosen.lr, 1, "step").eval()
    tensors, _ = load_model(tmp_path / "toy.safetensors")
    toy.load_state_dict(tensors)
    x = torch.randn(EXAMPLES, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = torch.nn.functional.mse_loss(toy.net(x).squeeze(-1), x.sum(1))
    assert float(loss) == pytest.approx(result.best["valid_loss"], rel=1e-4)


@pytest.mark.slow
def test_a_part_in_evaluation_mode_learns_with_dropout_like_any_other(folders):
    for folder, evaluated in zip(folders, (False, True), strict=True):
        assert train_in_process(folder, settings(), handed_over_in_evaluation_mode=evaluated) == 0
    assert outputs(folders[0]) == outputs(folders[1])


@pytest.mark.slow
def test_killed_after_the_last_checkpoint_trains_no_further_epoch(folders, monkeypatch):
    whole, broken = folders
    chosen = settings(patience=1, lr=0.5, epochs=8)
    assert train_in_process(whole, chosen) == 0

    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tests.training.toy_training.save_model", die)
        with pytest.raises(KeyboardInterrupt):
            train_toy(broken, chosen)
    assert train_in_process(broken, chosen) == 0
    assert outputs(broken) == outputs(whole)


@pytest.mark.slow
def test_another_recipe_does_not_resume(folders):
    whole, broken = folders
    assert train_in_process(whole, settings(lr=0.01)) == 0
    assert train_in_process(broken, settings(lr=0.05), kill_at=15) == -9
    assert train_in_process(broken, settings(lr=0.01)) == 0
    assert outputs(broken) == outputs(whole)


def test_a_run_has_its_own_checkpoints_and_clears_those_of_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = checkpoint_folder("a", "data", SETTINGS, 1)
    assert checkpoint_folder("a", "data", SETTINGS, 1) == first
    assert first.exists()
    others = [
        checkpoint_folder("a", "other data", SETTINGS, 1),
        checkpoint_folder("a", "data", settings(lr=0.1), 1),
        checkpoint_folder("a", "data", SETTINGS, 2),
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        others.append(checkpoint_folder("a", "data", SETTINGS, 1))  # its sums are rounded in another order
    finally:
        torch.set_num_threads(threads)
    assert len({first, *others}) == 5
    assert [folder.exists() for folder in (first, *others)] == [False, False, False, False, True]


def test_every_epoch_is_a_row_and_the_best_weights_are_published(tmp_path):
    result = train_toy(tmp_path, SETTINGS)
    rows = {name: pd.read_csv(tmp_path / f"live/plots/metrics/{name}.tsv", sep="\t") for name in result.history[0]}
    assert rows.keys() == {"train_loss", "valid_loss", "lr", "gradient_norm"}
    for name, table in rows.items():
        assert table["step"].tolist() == [0, 1, 2, 3]
        assert table[name].tolist() == pytest.approx([row[name] for row in result.history])
    losses = [row["valid_loss"] for row in result.history]
    assert result.best_epoch == losses.index(min(losses)) + 1
    assert result.best["valid_loss"] == min(losses)
    assert rows["lr"]["lr"].tolist() == pytest.approx(
        [0.025 * (1 + math.cos(math.pi * last / 24)) for last in (5, 11, 17, 23)]
    )
    steps = pd.read_csv(tmp_path / "live/plots/steps/plots/metrics/train_loss.tsv", sep="\t")
    assert steps["step"].tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]
    rates = pd.read_csv(tmp_path / "live/plots/steps/plots/metrics/lr.tsv", sep="\t")
    assert rates["lr"].tolist() == pytest.approx(
        [0.025 * (1 + math.cos(math.pi * step / 24)) for step in rates["step"]]
    )
    written = json.loads((tmp_path / "live/metrics.json").read_text())
    assert (written["step"], written["best_epoch"]) == (3, result.best_epoch)
    assert written["best_valid_loss"] == min(losses)


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_losses_of_steps_agree_with_those_of_epochs(tmp_path, accumulate):
    result = train_toy(tmp_path, settings(accumulate=accumulate), log=LOG.model_copy(update={"every_n_steps": 1}))
    steps = pd.read_csv(tmp_path / "live/plots/steps/plots/metrics/train_loss.tsv", sep="\t")["train_loss"].to_numpy()
    sizes = np.array([8, 8, 8, 8, 8, 4])
    means = (steps.reshape(4, 6) * sizes).sum(1) / sizes.sum()
    assert means == pytest.approx([row["train_loss"] for row in result.history], rel=1e-5)


def test_zero_epochs_publish_the_model_as_it_came(tmp_path):
    result = train_toy(tmp_path, settings(epochs=0))
    assert result.best_epoch == 0
    assert result.history == [result.best]
    assert (tmp_path / "live/plots/metrics/valid_loss.tsv").exists()


def test_the_mean_of_the_best_epochs_is_the_mean_of_their_weights(tmp_path):
    states = []
    for epochs in (1, 2):  # constant over epochs is only the data order: train 1 and 2 epochs, keep each one's last
        folder = tmp_path / str(epochs)
        folder.mkdir()
        train_toy(folder, settings(epochs=2, average_best=epochs))
        states.append(load_model(folder / "toy.safetensors")[0])
    single, mean = states
    assert not torch.equal(single["net.0.weight"], mean["net.0.weight"])
    assert torch.equal(mean["net.1.num_batches_tracked"], single["net.1.num_batches_tracked"])


def test_a_loss_that_is_no_number_stops_with_the_step(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "mse_loss", lambda a, b: (a - b).sum() * math.nan)
    with pytest.raises(TrainingDivergedError, match=r"the loss is nan at step 0, in epoch 1"):
        train_toy(tmp_path, SETTINGS)


def test_a_validation_metric_that_is_no_number_stops_with_the_epoch(tmp_path, monkeypatch):
    def validation_step(self: Toy, batch: object, batch_idx: int) -> None:
        self.log("valid_loss", torch.tensor(math.nan), on_epoch=True, batch_size=1)

    monkeypatch.setattr(Toy, "validation_step", validation_step)
    with pytest.raises(TrainingDivergedError, match=r"valid_loss is nan after epoch 1"):
        train_toy(tmp_path, SETTINGS)


def test_the_metrics_of_a_mean_are_those_of_its_weights(tmp_path):
    result = train_toy(tmp_path, settings(average_best=3))
    toy = Toy(SETTINGS.lr, 1, "step").eval()
    toy.load_state_dict(load_model(tmp_path / "toy.safetensors")[0])
    x = torch.randn(EXAMPLES, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = float(torch.nn.functional.mse_loss(toy.net(x).squeeze(-1), x.sum(1)))
    assert result.best["valid_loss"] == pytest.approx(loss, rel=1e-4)
    assert loss not in [pytest.approx(row["valid_loss"], rel=1e-6) for row in result.history]
    assert json.loads((tmp_path / "live/metrics.json").read_text())["best_valid_loss"] == result.best["valid_loss"]


@pytest.mark.slow
def test_a_damaged_checkpoint_does_not_stop_the_next_run(folders):
    whole, broken = folders
    assert train_in_process(whole, SETTINGS) == 0
    assert train_in_process(broken, SETTINGS, kill_at=15) == -9
    (checkpoint,) = broken.glob(".checkpoints/toy/*/last.ckpt")
    checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])
    assert train_in_process(broken, SETTINGS) == 0
    assert outputs(broken) == outputs(whole)


def test_a_damaged_checkpoint_is_named_and_set_aside(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("reprise"), "propagate", True)
    path = tmp_path / "last.ckpt"
    assert set_aside_damaged(path) is None
    torch.save(CHECKPOINT, path)
    assert set_aside_damaged(path) == path
    path.write_bytes(path.read_bytes()[:200])
    assert set_aside_damaged(path) is None
    assert f"{path}: damaged" in caplog.text
    assert (tmp_path / "last.damaged").exists()


def test_each_epoch_is_a_line_of_metrics_jsonl(tmp_path):
    result = train_toy(tmp_path, SETTINGS, log=LOG.model_copy(update={"quantiles": True}))
    records = epochs_of(tmp_path)
    assert [record["epoch"] for record in records] == [1, 2, 3, 4]
    for record, row in zip(records, result.history, strict=True):
        assert row.items() <= record.items()
        assert (record["train_examples"], record["valid_examples"]) == (EXAMPLES, EXAMPLES)
        assert record["labels"] == {"low": 20, "high": 24}
        assert record["parameters"] == record["trainable_parameters"] == 5 * 8 + 8 + 2 * 8 + 8 + 1
        assert 0 < record["seconds"] < 60
        assert record["examples_per_second"] >= EXAMPLES / record["seconds"] - 0.1
        assert record["peak_memory_mib"] > 10
    losses = [row["valid_loss"] for row in result.history]
    bests = [epoch for epoch in range(4) if losses[epoch] < min([math.inf, *losses[:epoch]])]
    assert [epoch for epoch, record in enumerate(records) if record["best"]] == bests
    values = torch.cat([parameter.detach().flatten() for parameter in result_of_last_epoch(tmp_path).parameters()])
    spread = records[-1]["quantiles"]["parameters"]
    assert spread["0.5"] == pytest.approx(float(values.quantile(0.5)), abs=0.05)
    assert (spread["0"], spread["1"]) == pytest.approx((float(values.min()), float(values.max())), abs=0.05)
    assert records[-1]["quantiles"]["gradients"]["0"] < 0 < records[-1]["quantiles"]["gradients"]["1"]


def result_of_last_epoch(folder: Path) -> Toy:
    toy = Toy(SETTINGS.lr, 1, "step")
    toy.load_state_dict(load_model(folder / "toy.safetensors")[0])  # the best epoch's: close to the last one's
    return toy


@pytest.mark.parametrize(("every", "expected"), [(0, []), (1, [1, 2, 3, 4]), (3, [3, 4]), (100, [4])])
def test_checkpoints_that_were_asked_for_stay(every, expected, tmp_path):
    train_toy(tmp_path, SETTINGS, log=LOG.model_copy(update={"keep_checkpoints": every}))
    files = sorted(tmp_path.glob(".kept/toy/*/*"))
    assert [file.name for file in files] == [f"epoch-{epoch:03d}.safetensors" for epoch in expected]
    if every == 1:
        best = json.loads((tmp_path / "live/metrics.json").read_text())["best_epoch"]
        kept, published = read_state_dict(files[best - 1]), load_model(tmp_path / "toy.safetensors")[0]
        assert kept.keys() == published.keys()
        assert all(torch.equal(kept[name], published[name]) for name in kept)


def test_checkpoints_that_do_not_fit_the_disk_are_refused_before_the_first_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(InputError, match=r"4 checkpoints of up to 0\.0 MiB together, 0\.0 MiB free"):
        train_toy(tmp_path, SETTINGS, log=LOG.model_copy(update={"keep_checkpoints": 1}))
    assert not list(tmp_path.glob(".kept/toy/*/*"))


def test_early_stopping_keeps_the_epoch_that_it_stopped_after(tmp_path):
    result = train_toy(
        tmp_path, settings(patience=1, lr=0.5, epochs=8), log=LOG.model_copy(update={"keep_checkpoints": 100})
    )
    assert len(result.history) < 8
    (file,) = tmp_path.glob(".kept/toy/*/*")
    assert file.name == f"epoch-{len(result.history):03d}.safetensors"


@given(place=st.integers(0, 10**6), bits=st.integers(1, 255), what=st.sampled_from(["flip", "cut", "other"]))
def test_no_damage_to_a_checkpoint_is_trained_on(tmp_path_factory, place, bits, what):
    path = tmp_path_factory.mktemp("checkpoint") / "last.ckpt"
    torch.save({"weights": torch.zeros(3)} if what == "other" else CHECKPOINT, path)
    content = bytearray(path.read_bytes())
    if what == "flip":
        content[place % len(content)] ^= bits
    path.write_bytes(content[: place % len(content)] if what == "cut" else content)
    if set_aside_damaged(path) is not None:
        held = torch.load(path, weights_only=False)
        assert held.keys() == CHECKPOINT.keys()
        assert torch.equal(held["state_dict"]["w"], CHECKPOINT["state_dict"]["w"])
        assert held["epoch"] == CHECKPOINT["epoch"]
