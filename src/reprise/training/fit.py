"""`fit()`: train a module with Lightning, and keep what Reprise promises of every training.

- Exact repetition: each epoch starts from a seed derived from (seed, epoch), and `EpochBatchSampler` draws that epoch's
  batches from the same pair. So an epoch depends on nothing but weights, optimiser and its number.
- Exact resume: a checkpoint at every epoch's start under `.checkpoints/<name>/<key>/`, outside the stage's outputs,
  which DVC deletes before a run. The key hashes recipe, inputs, seed and code. A process killed at any moment and
  started again ends with the bytes of one never killed.
- DVCLive with the epoch as the step; on resume the earlier epochs' rows are written again. What differs from run to
  run, such as seconds, goes to metrics.jsonl alone, which is no stage's output.
"""

import dataclasses
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from reprise.core.files import fingerprint
from reprise.core.params import Hardware, LogParams
from reprise.core.processes import rank
from reprise.core.recipe import TrainParams
from reprise.core.seed import seed_everything, use_deterministic_kernels
from reprise.training.checkpoints import EpochStartCheckpoint, checkpoint_folder, load_published, set_aside_damaged
from reprise.training.epoch_log import EpochLog
from reprise.training.kept import KEPT_FOLDER, KeepCheckpoints
from reprise.training.measure import EpochMeter, count_parameters, examples_of_epoch
from reprise.training.trainer import SeedEachEpoch, WeighShares, make_trainer
from reprise.training.writers import Writer, configuration_name, open_writers

logger = logging.getLogger("reprise")

LABELS_SHOWN = 12


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that decides a training, but the module and its batches.

    Attributes:
        name: names the checkpoints and the log lines.
        params: the recipe.
        hardware: where to run.
        log: what is logged and kept.
        seed: with the epoch's number, determines every draw.
        inputs: files, folders and values that decide the result beside recipe, seed and code: data, weights, a fold.
        live_folder: DVCLive's folder.
        monitor: metric, logged by the module's validation step, that chooses the best epoch.
        mode: which way `monitor` is better.
        summary: further figures for DVCLive's metrics.json.
        callbacks: a task's own; their `state_dict` is part of exact resume.
        model: the part of the module that is published, which `log.keep_checkpoints` saves; None: the module.
        labels: training examples by class.
        configuration: tells the training apart from others of its recipe, such as `swin_base-384`; writers show it.
    """

    name: str
    params: TrainParams
    hardware: Hardware
    log: LogParams
    seed: int
    inputs: Sequence[Path | str]
    live_folder: Path
    monitor: str = "valid_loss"
    mode: Literal["min", "max"] = "min"
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    callbacks: Sequence[Callback] = ()
    model: nn.Module | None = None
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    configuration: str = ""


@dataclasses.dataclass(frozen=True)
class FitResult:
    """The result of a training.

    Attributes:
        best_epoch: the epoch, counted from 1, whose weights are published, alone or as the best of those averaged; 0
            with `epochs: 0`.
        best: metrics of the weights that are published, which the module now holds.
        history: one row of metrics an epoch.
        checkpoints: folder to delete with `discard_checkpoints` once the outputs are written.
    """

    best_epoch: int
    best: Mapping[str, float]
    history: list[dict[str, float]]
    checkpoints: Path

    def discard_checkpoints(self) -> None:
        """Delete the checkpoints; to be called when the stage's outputs are on disk."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def fit(
    module: LightningModule, train_loader: "DataLoader[Any]", valid_loader: "DataLoader[Any]", run: Run
) -> FitResult:
    """Train a module, resume where an earlier process was killed, and leave the weights to publish in the module.

    Every process that shares the training returns; the stage asks `processes.goes_on_alone` which of them writes.

    Args:
        module: logs `run.monitor` in its validation step, and whatever else is to be seen per epoch.
        train_loader: made by `sampler.epoch_loader`.
        valid_loader: yields the same batches every time.
        run: everything else.

    Raises:
        TrainingDivergedError: a loss or a metric became NaN or infinite; the line names the step or the epoch.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its device lines and advertisements
    use_deterministic_kernels(run.hardware.training_threads)
    folder = checkpoint_folder(run.name, fingerprint(*run.inputs), run.params, run.seed)
    facts = describe(module, train_loader, valid_loader, run)
    meter = EpochMeter(examples_of_epoch(train_loader))
    clip, writers = run.params.gradient_clip, start_writers(run, facts)
    epoch_log = EpochLog(run.live_folder, run.log, clip, meter, run.monitor, run.mode, facts, writers)
    best = ModelCheckpoint(
        folder,
        "best-{epoch}",
        monitor=run.monitor,
        mode=run.mode,
        save_top_k=run.params.average_best,
        save_weights_only=run.params.ema_decay == 0,  # the moving average is put into whole checkpoints alone
        enable_version_counter=False,
    )
    last = folder / "last.ckpt"
    watching = [SeedEachEpoch(run.seed), WeighShares(), meter]
    callbacks = [*watching, *run.callbacks, epoch_log, best, EpochStartCheckpoint(last)]
    if every := run.log.keep_checkpoints:
        callbacks.append(KeepCheckpoints(KEPT_FOLDER / run.name / folder.name, run.model or module, every))
    trainer = make_trainer(run.params, run.hardware, callbacks, run.monitor, run.mode)
    seed_everything(run.seed)
    if run.params.epochs == 0:
        trainer.validate(module, valid_loader, verbose=False)
        row = epoch_log.publish_untrained(trainer)
        epoch_log.close({**summarise(0, row), **run.summary})
        return FitResult(0, row, epoch_log.history, folder)
    if resume_from := set_aside_damaged(last):
        logger.info("%s: resuming from %s", run.name, resume_from)
    module.train()  # Lightning keeps the mode that it finds; a part left in evaluation mode would learn without dropout
    # Only our own checkpoints lie in this folder, and they hold callbacks' states, which are more than tensors.
    trainer.fit(module, train_loader, valid_loader, ckpt_path=resume_from, weights_only=False)
    sign = 1 if run.mode == "min" else -1
    rows = epoch_log.history
    best_epoch = min(range(len(rows)), key=lambda epoch: sign * rows[epoch][run.monitor])
    published: Mapping[str, float] = rows[best_epoch]
    if load_published(module, best):
        # A plain Trainer: one that keeps a moving average would validate that instead of these weights.
        plain = run.params.model_copy(update={"ema_decay": 0.0, "patience": 0})
        validator = make_trainer(plain, run.hardware, [], run.monitor, run.mode)
        validated = validator.validate(module, valid_loader, verbose=False)
        published = {**published, **{key: float(value) for key, value in validated[0].items()}}
    epoch_log.close({**summarise(best_epoch + 1, published), **run.summary})
    return FitResult(best_epoch + 1, published, rows, folder)


def start_writers(run: Run, facts: Mapping[str, Any]) -> list[Writer]:
    """Open the writers that `log.writers` names, in the first process alone."""
    if not run.log.writers or rank() > 0:
        return []
    name = configuration_name(run.name, run.configuration)
    return open_writers(run.log, name, {**run.params.model_dump(mode="json"), "seed": run.seed, **facts})


def describe(
    module: LightningModule, train_loader: "DataLoader[Any]", valid_loader: "DataLoader[Any]", run: Run
) -> dict[str, Any]:
    """Say what is trained on what, in the log and as facts for metrics.jsonl."""
    sizes = [len(loader.dataset) for loader in (train_loader, valid_loader)]  # type: ignore[arg-type]
    facts = {"train_examples": sizes[0], "valid_examples": sizes[1], **count_parameters(module)}
    logger.info(
        "%s: %d examples to train on, %d to validate; %d parameters, of which %d learn", run.name, *facts.values()
    )
    if run.labels:
        by_size = sorted(run.labels.items(), key=lambda item: -item[1])
        more = f", and {len(by_size) - LABELS_SHOWN} more" if len(by_size) > LABELS_SHOWN else ""
        shown = ", ".join(f"{name} {count}" for name, count in by_size[:LABELS_SHOWN])
        logger.info("%s: labels: %s%s", run.name, shown, more)
    return {**facts, "labels": dict(run.labels)}


def summarise(best_epoch: int, published: Mapping[str, float]) -> dict[str, Any]:
    """Name the published weights' metrics for metrics.json, where DVCLive itself keeps the last epoch's."""
    return {"best_epoch": best_epoch, **{f"best_{key}": value for key, value in published.items()}}
