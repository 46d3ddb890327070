"""Writers beside DVCLive: off by default, and not imported then."""

import json
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.loggers import Logger

from reprise.core.errors import InputError
from reprise.training import writers
from reprise.training.epoch_log import TrainingDivergedError
from tests.conftest import tiny_params, write_params
from tests.training.toy_training import LOG, SETTINGS, train_toy


class Kept(Logger):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.parameters: Any = {}
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.summary: dict[str, float] = {}
        self.status = ""

    @property
    def name(self) -> str:
        return "kept"

    @property
    def version(self) -> int:
        return 0

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self.parameters = dict(params)

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        self.metrics.append((step, dict(metrics)))

    def summarise(self, figures: Any) -> None:
        self.summary = dict(figures)

    def finalize(self, status: str) -> None:
        self.status = status


def test_a_writer_gets_parameters_epochs_and_steps(tmp_path, monkeypatch):
    kept, names = Kept(), []

    def make(log, name):
        names.append((name, log.tags, log.note))
        return kept

    monkeypatch.setattr(writers, "_tensorboard", make)
    monkeypatch.setattr("reprise.training.fit.configuration_name", lambda run, text: f"{run}-{text}")
    log = LOG.model_copy(update={"writers": ("tensorboard",), "tags": ("first",), "note": "why", "quantiles": True})
    result = train_toy(tmp_path, SETTINGS, log=log)
    assert names == [("toy-tiny", ("first",), "why")]
    assert kept.parameters["lr"] == SETTINGS.lr
    assert kept.parameters["labels"] == {"low": 20, "high": 24}
    assert kept.parameters["train_examples"] == 44
    assert [step for step, metrics in kept.metrics if "valid_loss" in metrics] == [1, 2, 3, 4]
    epochs = [metrics for _, metrics in kept.metrics if "valid_loss" in metrics]
    assert [metrics["valid_loss"] for metrics in epochs] == [row["valid_loss"] for row in result.history]
    assert {"seconds", "examples_per_second", "quantiles/parameters/0.5"} <= epochs[0].keys()
    assert [step for step, metrics in kept.metrics if "step/lr" in metrics] == list(range(0, 24, 2))
    assert kept.summary["best_valid_loss"] == min(row["valid_loss"] for row in result.history)
    assert kept.status == "success"


def test_a_writer_is_told_that_a_training_failed(tmp_path, monkeypatch):
    kept = Kept()
    monkeypatch.setattr(writers, "_tensorboard", lambda log, name: kept)
    monkeypatch.setattr("reprise.training.fit.configuration_name", lambda run, text: text)
    with pytest.raises(TrainingDivergedError):
        train_toy(
            tmp_path,
            SETTINGS.model_copy(update={"lr": 1e30}),
            log=LOG.model_copy(update={"writers": ("tensorboard",)}),
        )
    assert kept.status == "failed"
    assert kept.summary == {}


class FakeWandb(ModuleType):
    """The part of wandb that Lightning's logger and ours use; keeps what its runs are given."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.run: Any = None
        self.runs: list[FakeRun] = []
        self.errors = SimpleNamespace(Error=ConnectionError)
        self.offline = False

    def init(self, **settings: Any) -> Any:
        if not self.offline:
            raise ConnectionError("No API key configured.\n  Use `wandb login` to log in.")
        self.run = FakeRun(self, settings)
        self.runs.append(self.run)
        return self.run


class FakeRun:
    def __init__(self, module: FakeWandb, settings: dict[str, Any]) -> None:
        self.module, self.settings = module, settings
        self.axes: dict[str, str | None] = {}
        self.rows: list[dict[str, float]] = []
        self.config, self.summary = FakeConfig(), FakeConfig()
        self.exit_code: int | None = None

    def define_metric(self, name: str, step_metric: str | None = None, step_sync: bool = False) -> None:
        self.axes[name] = step_metric

    def log(self, metrics: dict[str, float]) -> None:
        self.rows.append(metrics)

    def finish(self, exit_code: int) -> None:
        self.exit_code, self.module.run = exit_code, None


class FakeConfig(dict):
    def update(self, values: Any, allow_val_change: bool = False) -> None:  # type: ignore[override]
        super().update(values)


@pytest.fixture
def wandb(monkeypatch):
    module, lib, run = FakeWandb(), ModuleType("wandb.sdk.lib"), ModuleType("wandb.wandb_run")
    lib.RunDisabled, run.Run = type("RunDisabled", (), {}), FakeRun  # type: ignore[attr-defined]
    for name, fake in (("wandb", module), ("wandb.sdk", ModuleType("wandb.sdk"))):
        monkeypatch.setitem(sys.modules, name, fake)
    monkeypatch.setitem(sys.modules, "wandb.sdk.lib", lib)
    monkeypatch.setitem(sys.modules, "wandb.wandb_run", run)
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", True)
    return module


def test_each_training_is_a_run_of_its_own_over_epochs_and_over_steps(tmp_path, monkeypatch, wandb):
    wandb.offline = True
    monkeypatch.setattr("reprise.training.fit.configuration_name", lambda run, text: f"{run}-{text}")
    log = LOG.model_copy(update={"writers": ("wandb",), "tags": ("first",), "note": "why"})
    results = [train_toy(tmp_path, SETTINGS, log=log) for _ in range(2)]
    assert len(wandb.runs) == 2
    run, result = wandb.runs[1], results[1]
    expected = {
        "name": "toy-tiny",
        "project": "reprise",
        "dir": str(tmp_path / ".logs"),
        "tags": ["first"],
        "notes": "why",
    }
    assert {key: run.settings[key] for key in expected} == expected
    assert run.config["lr"] == SETTINGS.lr
    assert run.config["labels"] == {"low": 20, "high": 24}
    assert run.axes["valid_loss"] == run.axes["seconds"] == "epoch"
    assert run.axes["step/train_loss"] == run.axes["step/lr"] == "step/number"
    by_epoch = {row["epoch"]: row["valid_loss"] for row in run.rows if "valid_loss" in row}
    assert by_epoch == {number: row["valid_loss"] for number, row in enumerate(result.history, 1)}
    assert [row["step/number"] for row in run.rows if "step/lr" in row] == list(range(0, 24, 2))
    assert run.summary["best_epoch"] == result.best_epoch
    assert run.exit_code == 0


def test_without_an_account_weights_and_biases_is_one_line(tmp_path, monkeypatch, wandb):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        writers.open_writers(LOG.model_copy(update={"writers": ("wandb",)}), "name", {})
    assert str(refused.value) == (
        "params.yaml: log.writers: wandb: No API key configured. Use `wandb login` to log in. "
        "With WANDB_MODE=offline it needs neither account nor network."
    )


def test_a_configuration_is_named_by_task_recipe_and_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = tiny_params(tmp_path)
    params["documents"]["recipe"] = "highperf"
    write_params(tmp_path, params)
    assert writers.configuration_name("documents-train-0", "swin_base-384") == "documents-highperf-swin_base-384"


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_writer_that_is_not_installed_is_one_line(kind, monkeypatch, tmp_path):
    def missing(*_: object) -> None:
        raise ModuleNotFoundError(kind)

    monkeypatch.setattr(writers, f"_{kind}", missing)
    with pytest.raises(InputError, match=rf"log.writers: {kind} is not installed: pip install 'reprise\[{kind}\]'"):
        writers.open_writers(LOG.model_copy(update={"writers": (kind,)}), "name", {})


def test_nothing_is_imported_where_no_writer_is_on():
    code = (
        "import sys, json; from reprise.training import fit; "
        "print(json.dumps([name for name in ('tensorboard', 'tensorboardX', 'wandb') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_nested_numbers_get_names_with_slashes_and_texts_are_left_out():
    record = {"loss": 1, "best": True, "name": "x", "quantiles": {"parameters": {"0.5": 2.0}}}
    assert writers.flatten(record) == {"loss": 1.0, "best": 1.0, "quantiles/parameters/0.5": 2.0}


def test_tensorboard_writes_events(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reprise.training.fit.configuration_name", lambda run, text: f"{run}-{text}")
    log = LOG.model_copy(update={"writers": ("tensorboard",), "tags": ("first", "second"), "note": "why"})
    result = train_toy(tmp_path, SETTINGS, log=log)
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-not-found]
        EventAccumulator,
    )

    (path,) = tmp_path.glob(".logs/tensorboard/toy-tiny/version_0/events*")
    events = EventAccumulator(str(path)).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("valid_loss")]
    assert losses == [(n, pytest.approx(row["valid_loss"])) for n, row in enumerate(result.history, 1)]
    assert [event.step for event in events.Scalars("step/lr")] == list(range(0, 24, 2))
    texts = {tag: events.Tensors(f"{tag}/text_summary")[0].tensor_proto.string_val for tag in ("tags", "note")}
    assert texts == {"tags": [b"first, second"], "note": [b"why"]}
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert events.Scalars("best_epoch")[0].value == result.best_epoch
