"""`fit()`: the one place that builds a Lightning Trainer.

It adds to Lightning what Reprise promises of every training:

- exact repetition: each epoch starts from a seed derived from (seed, epoch), and `EpochBatchSampler` draws that
  epoch's batches from the same pair, so that an epoch depends on nothing but weights, optimiser and its number;
- exact resume: a checkpoint at every epoch's start under `.checkpoints/<name>/<key>/`, outside the stage's outputs,
  which DVC deletes before a run. The key hashes recipe, data, seed and code, so that a checkpoint of another run
  is never resumed. A process killed at any moment and started again ends with the bytes of one never killed;
- per-epoch DVCLive with the epoch as the step, earlier epochs' rows replayed on resume.
"""

import dataclasses
import io
import json
import logging
import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from dvclive import Live
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from reprise.core.errors import InputError
from reprise.core.files import atomic_path, hash_bytes
from reprise.core.params import Hardware
from reprise.core.processes import (
    launched,
    only_first_goes_on,
    processes_per_machine,
    rank,
    sum_over_processes,
    world_size,
)
from reprise.core.recipe import TrainParams
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels

logger = logging.getLogger("reprise")

CHECKPOINT_FOLDER = Path(".checkpoints")


class TrainingDivergedError(InputError):
    """The loss is no longer a number."""


class EpochBatchSampler(Sampler[list[int]]):
    """Batches of indices in an order drawn from (seed, epoch), the same however many processes share them.

    Give it as `sampler` to a DataLoader with `batch_size=None`, so that the dataset is indexed with whole batches.
    With several processes each takes every world-size-th index of the same global batch.

    Args:
        length: number of examples.
        batch_size: examples of a global batch.
        seed: a new permutation is drawn from it for every epoch.
        shuffle: False keeps the order.
        batches: an epoch is this many batches, and the next one goes on where it stopped; None: one pass.
        weights: (length,) chances of the examples, which are then drawn with replacement; None: each once a pass.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        batches: int | None = None,
        weights: Tensor | None = None,
    ) -> None:
        self.length, self.batch_size, self.seed, self.shuffle = length, batch_size, seed, shuffle
        self.weights = weights
        self.batches_in_pass = math.ceil(length / batch_size)
        self.batches = batches or self.batches_in_pass
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration takes; Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank, world = (torch.distributed.get_rank(), torch.distributed.get_world_size()) if distributed else (0, 1)
        order: Sequence[Tensor] = ()
        for number in range(self.epoch * self.batches, (self.epoch + 1) * self.batches):
            number_of_pass, place = divmod(number, self.batches_in_pass)
            if not order or place == 0:
                order = self._order(number_of_pass).split(self.batch_size)
            batch = order[place]
            # A last batch smaller than the number of processes would leave one without work, and the rest waiting.
            share = batch[rank::world] if len(batch) >= world else batch
            yield share.tolist()

    def _order(self, number_of_pass: int) -> Tensor:
        if not self.shuffle:
            return torch.arange(self.length)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", number_of_pass))
        if self.weights is not None:
            return torch.multinomial(self.weights, self.length, replacement=True, generator=generator)
        return torch.randperm(self.length, generator=generator)


@dataclasses.dataclass(frozen=True)
class FitResult:
    """What a training came to.

    Attributes:
        best_epoch: the epoch, counted from 0, whose weights the module now holds; -1 with `epochs: 0`.
        best_score: its value of the monitored metric.
        history: one row of metrics an epoch.
        checkpoints: folder to delete with `discard_checkpoints` once the outputs are written.
    """

    best_epoch: int
    best_score: float
    history: list[dict[str, float]]
    checkpoints: Path

    def discard_checkpoints(self) -> None:
        """Delete the checkpoints; to be called when the stage's outputs are on disk."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)


def fit(
    module: LightningModule,
    train_loader: "DataLoader[Any]",
    valid_loader: "DataLoader[Any]",
    *,
    settings: TrainParams,
    hardware: Hardware,
    seed: int,
    name: str,
    fingerprint: str,
    live_folder: Path,
    monitor: str = "valid_loss",
    mode: str = "min",
    summary: Mapping[str, Any] | None = None,
    extra_callbacks: tuple[Callback, ...] = (),
    judge_average: Callable[[LightningModule], float] | None = None,
) -> FitResult:
    """Train a module, resume where an earlier process was killed, and leave the best weights in the module.

    Of several processes that share the training, the first one alone returns; the others end here.

    Args:
        module: logs `monitor` in its validation step, and whatever else is to be seen per epoch.
        train_loader: over an `EpochBatchSampler`.
        valid_loader: yields the same batches every time.
        settings: the recipe.
        hardware: where to run.
        seed: with the epoch's number, determines every draw.
        name: names the checkpoints and the log lines.
        fingerprint: hash of the data and of whatever else decides the result beside settings, seed and code.
        live_folder: DVCLive's folder.
        monitor: metric that chooses the best epoch.
        mode: `min` or `max`: which way `monitor` is better.
        summary: further figures for DVCLive's metrics.json, beside the last epoch's and `best_epoch`.
        extra_callbacks: a task's own; their `state_dict` is part of exact resume.
        judge_average: gives `monitor` of a module's weights: the mean of the best epochs' is then published only where
            it is no worse than the best epoch's.

    Returns:
        The best epoch, its score and every epoch's metrics.

    Raises:
        TrainingDivergedError: the loss became NaN or infinite; the line names the step.
        PartDone: in a process that is not the first.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # its device lines and advertisements
    use_deterministic_kernels(hardware.training_threads)
    folder = checkpoint_folder(name, fingerprint, settings, seed)
    epoch_log = EpochLog(live_folder, settings.log_every_n_steps, settings.log_gradient_norm)
    best = ModelCheckpoint(
        folder,
        "best-{epoch}",
        monitor=monitor,
        mode=mode,
        save_top_k=settings.average_best,
        save_weights_only=settings.ema_decay == 0,  # the average is put into whole checkpoints alone
        enable_version_counter=False,
    )
    resume_from = folder / "last.ckpt"
    callbacks = [SeedEachEpoch(seed), *extra_callbacks, epoch_log, best, EpochStartCheckpoint(resume_from)]
    if settings.ema_decay > 0:
        callbacks.insert(0, EMAWeightAveraging(decay=settings.ema_decay))
    if settings.patience > 0:
        callbacks.append(EarlyStopping(monitor, mode=mode, patience=settings.patience, check_finite=False))
    if interactive := sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    trainer = Trainer(
        accelerator=hardware.accelerator,
        **placement(hardware),
        precision=settings.precision,  # type: ignore[arg-type]  # Lightning checks the name
        max_epochs=settings.epochs,
        accumulate_grad_batches=settings.accumulate,
        gradient_clip_val=settings.gradient_clip or None,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        logger=False,
        enable_progress_bar=interactive,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    seed_everything(seed)
    if settings.epochs == 0:
        trainer.validate(module, valid_loader, verbose=False)
        only_first_goes_on()
        epoch_log.publish_untrained(trainer)
        epoch_log.close({"best_epoch": -1, **(summary or {})})
        return FitResult(-1, float(trainer.callback_metrics[monitor]), epoch_log.history, folder)
    if resume_from.exists():
        logger.info("%s: resuming from %s", name, resume_from)
    # Only our own checkpoints stand in this folder, and they hold callbacks' states, which are more than tensors.
    trainer.fit(
        module, train_loader, valid_loader, ckpt_path=resume_from if resume_from.exists() else None, weights_only=False
    )
    only_first_goes_on()
    _load_best(module, best, judge_average)
    best_epoch = _best_epoch(epoch_log.history, monitor, mode)
    epoch_log.close({"best_epoch": best_epoch, **(summary or {})})
    return FitResult(best_epoch, epoch_log.history[best_epoch][monitor], epoch_log.history, folder)


def checkpoint_folder(name: str, fingerprint: str, settings: TrainParams, seed: int) -> Path:
    """The folder of one run's checkpoints; those of other runs of the same name are deleted, to bound the disk."""
    recipe = json.dumps(settings.model_dump(mode="json"), sort_keys=True)
    key = hash_bytes(fingerprint.encode(), recipe.encode(), str(seed).encode(), code_fingerprint().encode())[:16]
    folder = CHECKPOINT_FOLDER / name / key
    if rank() == 0:
        for other in folder.parent.glob("*"):
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def placement(hardware: Hardware) -> dict[str, Any]:
    """What Trainer takes to run where `hardware` says, or in the processes that torchrun has started."""
    devices, nodes = hardware.devices, hardware.nodes
    if launched():
        devices, nodes = processes_per_machine(), world_size() // processes_per_machine()
    accelerators = 0 if hardware.accelerator == "cpu" else torch.cuda.device_count()
    per_node = max(1, accelerators) if devices in ("auto", -1, "-1") else int(devices)
    strategy = hardware.strategy
    if strategy == "auto" and per_node * nodes > 1:
        strategy = "ddp_find_unused_parameters_true"  # encoders have poolers that nothing here reads
    # Torch has no synchronised batch norm for CPUs, where each process takes the statistics of its own share.
    return {
        "devices": devices,
        "num_nodes": nodes,
        "strategy": strategy,
        "sync_batchnorm": accelerators > 0 and per_node * nodes > 1,
    }


def code_fingerprint() -> str:
    """Hash of the project's modules that this process has imported: changed code never resumes an old run."""
    files = {
        name: Path(module.__file__)
        for name, module in list(sys.modules.items())
        if (name == "src" or name.startswith("src.")) and module.__file__ is not None
    }
    return hash_bytes(*(part for name in sorted(files) for part in (name.encode(), files[name].read_bytes())))


def _best_epoch(history: list[dict[str, float]], monitor: str, mode: str) -> int:
    sign = 1 if mode == "min" else -1
    return min(range(len(history)), key=lambda epoch: sign * history[epoch][monitor])


def _load_best(
    module: LightningModule, best: ModelCheckpoint, judge_average: Callable[[LightningModule], float] | None
) -> None:
    """Give the module the mean of the k best epochs' weights (k = 1: the best epoch's)."""
    sign = -1 if best.mode == "max" else 1
    paths = sorted(best.best_k_models, key=lambda path: sign * float(best.best_k_models[path]))
    # Only our own checkpoints stand in this folder; whole ones hold more than tensors.
    states = [torch.load(path, map_location="cpu", weights_only=False)["state_dict"] for path in paths]
    module.load_state_dict(states[0])
    if len(states) == 1:
        return
    score = None if judge_average is None else sign * judge_average(module)
    mean = {
        key: torch.stack([state[key] for state in states]).mean(0)
        if states[0][key].is_floating_point()
        else states[0][key]
        for key in states[0]
    }
    module.load_state_dict(mean)
    if judge_average is not None and score is not None and sign * judge_average(module) > score:
        logger.info("the mean of the %d best epochs is worse than the best of them, which is published", len(states))
        module.load_state_dict(states[0])


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that replace their predecessor whole: Lightning's own can be cut short by a kill."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write beside the target, then replace it."""
        content = io.BytesIO()  # given a file, torch does not say that the disk is full
        torch.save(checkpoint, content)
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(content.getbuffer())


class SeedEachEpoch(Callback):
    """Seeds all generators from (seed, epoch, process) as an epoch starts."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget whatever earlier epochs drew."""
        seed_everything(derive_seed(self.seed, "epoch", trainer.current_epoch, trainer.global_rank))


class EpochStartCheckpoint(Checkpoint):
    """Saves everything as an epoch starts.

    At an epoch's end, where Lightning's own checkpoints are written, schedulers that step once an epoch have not
    stepped yet, and a run resumed from there skips the hook `on_train_epoch_start`: it would not repeat exactly.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a resumed epoch like any other.

        Lightning would go on with the iterator that it made before the sampler knew its epoch, and count the batches
        of the epoch before as done.
        """
        trainer.fit_loop.restarting = False
        trainer.fit_loop._resuming_from_checkpoint = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the checkpoint of the epoch before."""
        if trainer.current_epoch > 0:
            trainer.save_checkpoint(self.path)


class EpochLog(Callback):
    """Writes every epoch's metrics to DVCLive and the log, and refuses a loss that is not a number.

    Args:
        folder: DVCLive's folder; `steps/` in it holds the loss every n steps.
        every_n_steps: n; 0 writes no step losses.
        gradient_norm: whether to log the epoch's mean norm of the gradient before clipping, as `gradient_norm`.
    """

    def __init__(self, folder: Path, every_n_steps: int, gradient_norm: bool) -> None:
        self.folder, self.every_n_steps, self.gradient_norm = folder, every_n_steps, gradient_norm
        self.history: list[dict[str, float]] = []
        self.step_losses: list[tuple[int, float]] = []
        self._norms: list[float] = []
        self._live: Live | None = None
        self._live_steps: Live | None = None

    def state_dict(self) -> dict[str, Any]:
        """Rows so far: they are part of the checkpoint."""
        return {"history": list(self.history), "step_losses": list(self.step_losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of the epochs before a resume."""
        self.history, self.step_losses = list(state_dict["history"]), list(state_dict["step_losses"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open DVCLive and write the rows of the epochs before a resume."""
        if not trainer.is_global_zero:
            return
        self._live = open_live(self.folder)
        for epoch, row in enumerate(self.history):
            self._write(epoch, row)
        if self.every_n_steps > 0:
            self._live_steps = open_live(self.folder / "steps")
            for step, loss in self.step_losses:
                self._write_step(step, loss)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the loss, and keep every n-th."""
        loss = float(outputs["loss"])
        step = trainer.fit_loop.total_batch_idx
        if not math.isfinite(loss):
            raise TrainingDivergedError(
                f"the loss is {loss} at step {step} of epoch {trainer.current_epoch}; try a lower lr or gradient_clip"
            )
        if self.every_n_steps > 0 and step % self.every_n_steps == 0:
            loss = float(sum_over_processes(outputs["loss"].detach())) / trainer.world_size
            self.step_losses.append((step, loss))
            self._write_step(step, loss)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Measure the gradient before it is clipped."""
        if self.gradient_norm:
            gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
            self._norms.append(float(torch.nn.utils.get_total_norm(gradients)))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write one row."""
        row = {key: float(value) for key, value in sorted(trainer.callback_metrics.items())}
        row["lr"] = float(trainer.optimizers[0].param_groups[0]["lr"])
        if self.gradient_norm:
            row["gradient_norm"] = sum(self._norms) / len(self._norms)
            self._norms.clear()
        self.history.append(row)
        self._write(trainer.current_epoch, row)
        figures = "  ".join(f"{key} {value:.4g}" for key, value in row.items())
        logger.info("epoch %d/%d  %s", trainer.current_epoch + 1, trainer.max_epochs or 0, figures)

    def publish_untrained(self, trainer: Trainer) -> None:
        """Write the validation metrics of a model that is published as it came (`epochs: 0`)."""
        self.history.append({key: float(value) for key, value in sorted(trainer.callback_metrics.items())})
        self.on_train_start(trainer, trainer.lightning_module)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Add a run's summary to metrics.json and close DVCLive."""
        if self._live is not None:
            self._live.summary.update(summary)
            self._live.end()
        if self._live_steps is not None:
            self._live_steps.end()

    def _write(self, epoch: int, row: dict[str, float]) -> None:
        if self._live is None:
            return
        self._live.step = epoch
        for key, value in row.items():
            self._live.log_metric(key, value)
        self._live.make_summary()

    def _write_step(self, step: int, loss: float) -> None:
        if self._live_steps is None:
            return
        self._live_steps.step = step
        self._live_steps.log_metric("train_loss", loss)


def open_live(folder: Path) -> Live:
    """Open DVCLive for writing files only: the stage's outputs in dvc.yaml declare them."""
    live = Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False)
    (folder / "plots" / "metrics").mkdir(parents=True, exist_ok=True)  # an output must exist, with 0 epochs too
    return live
