"""Where a training's figures go beside DVCLive: metrics.jsonl, and on request TensorBoard or Weights & Biases."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from reprise.core.errors import InputError
from reprise.core.params import LogParams, load_value

FOLDER = Path(".logs")
PROJECT = "reprise"


def metrics_path(live_folder: Path) -> Path:
    """The file of a training's epochs, beside its timing: the seconds in it differ in each run, so it is no output."""
    return live_folder.parent / "timing" / live_folder.name / "metrics.jsonl"


def write_line(path: Path, record: Mapping[str, Any]) -> None:
    """Add one epoch to metrics.jsonl."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def configuration_name(run: str, configuration: str) -> str:
    """Name a configuration, such as `documents-highperf-swin_base-384`.

    Args:
        run: name of the training, which starts with its task.
        configuration: what tells it apart from others of the recipe.
    """
    task = run.partition("-")[0]
    return "-".join(part for part in (task, str(load_value(f"{task}.recipe")), configuration) if part)


def open_writers(log: LogParams, name: str, parameters: Mapping[str, Any]) -> list[Logger]:
    """Open what `log.writers` names, each an optional extra of this package; nothing is imported for the others.

    Args:
        log: writers, tags and note.
        name: of the configuration.
        parameters: of the training.

    Raises:
        InputError: one is not installed.
    """
    writers = []
    for kind in log.writers:
        try:
            writers.append(_tensorboard(log, name) if kind == "tensorboard" else _wandb(log, name))
        except ModuleNotFoundError:
            raise InputError(
                f"params.yaml: log.writers: {kind} is not installed: pip install 'reprise[{kind}]'"
            ) from None
    for writer in writers:
        writer.log_hyperparams(dict(parameters))
    return writers


def _tensorboard(log: LogParams, name: str) -> Logger:
    from lightning.pytorch.loggers import TensorBoardLogger

    writer = TensorBoardLogger(FOLDER / "tensorboard", name=name, default_hp_metric=False)
    for title, text in (("tags", ", ".join(log.tags)), ("note", log.note)):
        if text:
            writer.experiment.add_text(title, text)
    return writer


def _wandb(log: LogParams, name: str) -> Logger:
    from lightning.pytorch.loggers import WandbLogger

    FOLDER.mkdir(exist_ok=True)
    return WandbLogger(
        name=name,
        project=PROJECT,
        save_dir=FOLDER,
        tags=list(log.tags),
        notes=log.note or None,
        settings={"silent": True},
    )


def flatten(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an epoch's record, with nested names joined by a slash: what writers take."""
    flat: dict[str, float] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}/{name}": number for name, number in flatten(value).items()}
        elif isinstance(value, int | float):
            flat[key] = float(value)
    return flat


def finish(writers: Sequence[Logger]) -> None:
    for writer in writers:
        writer.finalize("success")
