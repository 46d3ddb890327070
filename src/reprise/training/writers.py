"""Where a training's figures go beside DVCLive: metrics.jsonl, and on request TensorBoard or Weights & Biases."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from reprise.core.errors import InputError
from reprise.core.params import LogParams, load_value

FOLDER = Path(".logs")
PROJECT = "reprise"
BY_STEP = "step/"  # begins the names of what is logged by step


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


class TensorBoard(TensorBoardLogger):
    """TensorBoard's event file."""

    def summarise(self, figures: Mapping[str, float]) -> None:
        """Write a training's result beside its parameters: the page HPARAMS shows them only together."""
        self.log_hyperparams(self.hparams, dict(figures))


class WeightsAndBiases(WandbLogger):
    """A run of Weights & Biases with two axes, epochs and steps; Lightning draws both over one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._drawn: set[str] = set()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log over steps what begins with `step/`, and over epochs anything else."""
        axis = f"{BY_STEP}number" if all(name.startswith(BY_STEP) for name in metrics) else "epoch"
        for name in metrics.keys() - self._drawn:
            self.experiment.define_metric(name, step_metric=axis)
        self._drawn |= metrics.keys()
        self.experiment.log({**metrics, axis: step})

    def summarise(self, figures: Mapping[str, float]) -> None:
        """Add a training's result, which the table of runs shows."""
        self.experiment.summary.update(dict(figures))

    def finalize(self, status: str) -> None:
        """End the run: the next training of this process would go on in it."""
        super().finalize(status)
        self.experiment.finish(exit_code=0 if status == "success" else 1)


Writer = TensorBoard | WeightsAndBiases


def open_writers(log: LogParams, name: str, parameters: Mapping[str, Any]) -> list[Writer]:
    """Open what `log.writers` names, each an optional extra of this package; nothing is imported for the others.

    Args:
        log: writers, tags and note.
        name: of the configuration.
        parameters: of the training.

    Raises:
        InputError: one is not installed, or Weights & Biases has no account or no network.
    """
    writers: list[Writer] = []
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


def _tensorboard(log: LogParams, name: str) -> TensorBoard:
    writer = TensorBoard(FOLDER / "tensorboard", name=name, default_hp_metric=False)
    for title, text in (("tags", ", ".join(log.tags)), ("note", log.note)):
        if text:
            writer.experiment.add_text(title, text)
    return writer


def _wandb(log: LogParams, name: str) -> WeightsAndBiases:
    FOLDER.mkdir(exist_ok=True)
    writer = WeightsAndBiases(
        name=name,
        project=PROJECT,
        save_dir=FOLDER.absolute(),  # its service keeps the folder in which it was started
        tags=list(log.tags),
        notes=log.note or None,
        settings={"silent": True},
    )
    import wandb

    try:
        writer.experiment  # noqa: B018 -- starts the run
    except wandb.errors.Error as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"params.yaml: log.writers: wandb: {reason} With WANDB_MODE=offline it needs neither account nor network."
        ) from None
    return writer


def flatten(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an epoch's record, with nested names joined by a slash: what writers take."""
    flat: dict[str, float] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}/{name}": number for name, number in flatten(value).items()}
        elif isinstance(value, int | float):
            flat[key] = float(value)
    return flat


def finish(writers: Sequence[Writer], summary: Mapping[str, Any], status: Literal["success", "failed"]) -> None:
    """Close writers; a training that failed has no summary."""
    for writer in writers:
        if figures := flatten(summary):
            writer.summarise(figures)
        writer.finalize(status)
