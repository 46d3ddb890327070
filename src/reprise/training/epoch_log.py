"""What a training shows: each epoch's metrics to DVCLive, metrics.jsonl and the log, the loss every few steps."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from dvclive import Live
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from reprise.core.errors import InputError
from reprise.core.params import LogParams
from reprise.core.processes import sum_over_processes
from reprise.training.measure import EpochMeter, quantiles
from reprise.training.writers import BY_STEP, Writer, finish, flatten, metrics_path, write_line

logger = logging.getLogger("reprise")

ADVICE = "try a lower lr, or a lower gradient_clip"


class TrainingDivergedError(InputError):
    """A loss or another metric is not a finite number."""


class EpochLog(Callback):
    """Writes every epoch's metrics, clips gradients, and refuses what is not a finite number.

    Clipping is done here, since torch's function for it measures the norm that is logged; Lightning's drops it.
    DVCLive gets the figures that repeat exactly; metrics.jsonl and the writers also get seconds, rate and memory.

    Args:
        folder: DVCLive's folder; `plots/steps/` in it holds the loss every n steps.
        log: every how many steps (0: never), and what else is logged by epoch.
        gradient_clip: largest norm; 0: none.
        meter: measures the epochs.
        monitor: metric that chooses the best epoch.
        mode: which way it is better.
        facts: of the training, repeated on each line of metrics.jsonl.
        writers: loggers beside DVCLive.
    """

    def __init__(
        self,
        folder: Path,
        log: LogParams,
        gradient_clip: float,
        meter: EpochMeter,
        monitor: str,
        mode: Literal["min", "max"],
        facts: Mapping[str, Any],
        writers: Sequence[Writer] = (),
    ) -> None:
        self.folder, self.every_n_steps, self.gradient_norm = folder, log.every_n_steps, log.gradient_norm
        self.gradient_clip, self.quantiles, self.meter = gradient_clip, log.quantiles, meter
        self.monitor, self.sign = monitor, 1 if mode == "min" else -1
        self.facts, self.writers = facts, writers
        self.history: list[dict[str, float]] = []
        self.records: list[dict[str, Any]] = []  # of metrics.jsonl
        self.steps: list[tuple[int, float, float]] = []  # number, loss, learning rate
        self._norms: list[Tensor] = []
        self._gradients: dict[str, float] = {}  # quantiles, of the epoch's last step
        self._rate = 0.0
        self._live: Live | None = None
        self._live_steps: Live | None = None

    def state_dict(self) -> dict[str, Any]:
        """Rows so far: they are part of the checkpoint."""
        return {"history": list(self.history), "steps": list(self.steps), "records": list(self.records)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of the epochs before a resume."""
        self.history, self.steps = list(state_dict["history"]), list(state_dict["steps"])
        self.records = list(state_dict["records"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open DVCLive and write the rows of the epochs before a resume."""
        if not trainer.is_global_zero:
            return
        self._live = open_live(self.folder)
        metrics_path(self.folder).unlink(missing_ok=True)
        for epoch, (row, record) in enumerate(zip(self.history, self.records, strict=True)):
            self._write(epoch, row, record)
        if self.every_n_steps > 0:
            self._live_steps = open_live(self.folder / "plots/steps")
            for step in self.steps:
                self._write_step(*step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the loss, and keep every n-th."""
        loss = float(outputs["loss"])
        step = trainer.fit_loop.total_batch_idx
        if not math.isfinite(loss):
            epoch = trainer.current_epoch + 1
            raise TrainingDivergedError(f"the loss is {loss} at step {step}, in epoch {epoch}; {ADVICE}")
        if self.every_n_steps > 0 and step % self.every_n_steps == 0:
            mean = float(sum_over_processes(outputs["loss"].detach())) / trainer.world_size
            loss = mean * trainer.accumulate_grad_batches  # by which Lightning has divided it
            self.steps.append((step, loss, self._rate))
            self._write_step(*self.steps[-1])

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Keep the rate that this step takes, for the step and the epoch: the schedule moves on before their ends."""
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Clip the gradients, and keep their norm from before."""
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        if self.gradient_clip or self.gradient_norm:
            norm = get_total_norm(gradients)
            if self.gradient_clip:
                clip_grads_with_norm_(pl_module.parameters(), self.gradient_clip, norm)
            if self.gradient_norm:
                self._norms.append(norm)
        if self.quantiles and trainer.is_last_batch:  # Lightning frees the gradients before the epoch ends
            self._gradients = quantiles(gradients)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write one row.

        Raises:
            TrainingDivergedError: a metric is not a finite number.
        """
        row = {key: float(value) for key, value in sorted(trainer.callback_metrics.items())}
        row["lr"] = self._rate
        if self.gradient_norm:
            row["gradient_norm"] = float(torch.stack(self._norms).mean())
            self._norms.clear()
        if wrong := [f"{key} is {value}" for key, value in row.items() if not math.isfinite(value)]:
            raise TrainingDivergedError(f"{', '.join(wrong)} after epoch {trainer.current_epoch + 1}; {ADVICE}")
        cost = self.meter.figures(pl_module)
        best = all(self.sign * row[self.monitor] < self.sign * other[self.monitor] for other in self.history)
        record: dict[str, Any] = {"epoch": trainer.current_epoch + 1, **row, **cost, "best": best, **self.facts}
        if self.quantiles:
            learned = [parameter for parameter in pl_module.parameters() if parameter.requires_grad]
            record["quantiles"] = {"parameters": quantiles(learned), "gradients": self._gradients}
        self.history.append(row)
        self.records.append(record)
        self._write(trainer.current_epoch, row, record)
        figures = "  ".join(f"{key} {value:.4g}" for key, value in row.items())
        logger.info(
            "epoch %d/%d  %s  %.1f s  %.0f examples/s  %.0f MiB%s",
            *(trainer.current_epoch + 1, trainer.max_epochs or 0, figures),
            *(cost["seconds"], cost["examples_per_second"], cost["peak_memory_mib"], "  best" if best else ""),
        )

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the writers, which show that the training failed."""
        finish(self.writers, {}, "failed")

    def publish_untrained(self, trainer: Trainer) -> dict[str, float]:
        """Write and return the validation metrics of a model that is published as it came (`epochs: 0`)."""
        row = {key: float(value) for key, value in sorted(trainer.callback_metrics.items())}
        self.history.append(row)
        self.records.append({"epoch": 0, **row, "best": True, **self.facts})
        self.on_train_start(trainer, trainer.lightning_module)
        return row

    def close(self, summary: Mapping[str, Any]) -> None:
        """Add a run's summary to metrics.json and close DVCLive."""
        if self._live is not None:
            self._live.summary.update(summary)
            self._live.end()
        if self._live_steps is not None:
            self._live_steps.end()
        finish(self.writers, summary, "success")

    def _write(self, epoch: int, row: dict[str, float], record: Mapping[str, Any]) -> None:
        if self._live is None:
            return
        write_line(metrics_path(self.folder), record)
        for writer in self.writers:
            own = {key: value for key, value in record.items() if key != "epoch" and key not in self.facts}
            writer.log_metrics(flatten(own), record["epoch"])
        self._live.step = epoch
        for key, value in row.items():
            self._live.log_metric(key, value)
        self._live.make_summary()

    def _write_step(self, step: int, loss: float, rate: float) -> None:
        if self._live_steps is None:
            return
        self._live_steps.step = step
        self._live_steps.log_metric("train_loss", loss)
        self._live_steps.log_metric("lr", rate)
        for writer in self.writers:
            writer.log_metrics({f"{BY_STEP}train_loss": loss, f"{BY_STEP}lr": rate}, step)


def open_live(folder: Path) -> Live:
    """Open DVCLive for writing files only: the stage's outputs in dvc.yaml declare them."""
    live = Live(str(folder), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False)
    (folder / "plots" / "metrics").mkdir(parents=True, exist_ok=True)  # an output must exist, with 0 epochs too
    return live
