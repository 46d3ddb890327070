"""Writers beside DVCLive: off by default, and not imported then."""

import json
import subprocess
import sys
from typing import Any

import pytest
from lightning.pytorch.loggers import Logger

from reprise.core.errors import InputError
from reprise.training import writers
from tests.conftest import tiny_params, write_params
from tests.training.toy_training import LOG, SETTINGS, train_toy


class Kept(Logger):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.parameters: Any = {}
        self.metrics: list[tuple[int, dict[str, float]]] = []
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
    epochs = [metrics for _, metrics in kept.metrics if "valid_loss" in metrics]
    assert [metrics["valid_loss"] for metrics in epochs] == [row["valid_loss"] for row in result.history]
    assert {"seconds", "examples_per_second", "quantiles/parameters/0.5"} <= epochs[0].keys()
    assert [step for step, metrics in kept.metrics if "step/lr" in metrics] == list(range(0, 24, 2))
    assert kept.status == "success"


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
    train_toy(tmp_path, SETTINGS, log=LOG.model_copy(update={"writers": ("tensorboard",), "note": "why"}))
    assert list(tmp_path.glob(".logs/tensorboard/toy-tiny/version_0/events*"))
