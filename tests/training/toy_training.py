"""A whole training in a process of its own, which tests kill and start again."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule
from torch.utils.data import TensorDataset

from reprise.core.models import save_model
from reprise.core.params import Hardware, LogParams
from reprise.core.recipe import TrainParams
from reprise.training.fit import FitResult, Run, fit
from reprise.training.sampler import epoch_loader
from tests.conftest import read_params
from tests.processes import exit_code, in_process

PLACE = {"accelerator": "cpu", "devices": 1, "threads": 1, "same_bytes": True, "image_memory_mib": 64}
HARDWARE = Hardware.model_validate(read_params()["hardware"] | PLACE)
SETTINGS = TrainParams(
    epochs=4,
    batch_size=8,
    lr=0.05,
    weight_decay=0.01,
    schedule="cosine",
    warmup=0.1,
    patience=0,
    gradient_clip=1.0,
    accumulate=1,
    precision="32-true",
    ema_decay=0.0,
    average_best=1,
)
LOG = LogParams(
    every_n_steps=2,
    gradient_norm=True,
    quantiles=False,
    keep_checkpoints=0,
    writers=(),
    tags=(),
    note="",
    files=5,
)
EXAMPLES = 44  # 6 steps an epoch, the last one smaller


class Toy(LightningModule):
    """A net with everything that carries state: dropout, batch norm, momentum, a schedule."""

    def __init__(self, lr: float, steps: int, interval: str) -> None:
        super().__init__()
        self.lr, self.steps, self.interval = lr, steps, interval
        self.net = torch.nn.Sequential(
            torch.nn.Linear(5, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.Dropout(0.3),
            torch.nn.ReLU(),
            torch.nn.Linear(8, 1),
        )

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        x, y = batch
        x = x + 0.1 * torch.randn_like(x)  # an augmentation: every draw must come back after a resume
        loss = torch.nn.functional.mse_loss(self.net(x).squeeze(-1), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(x))
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.net(x).squeeze(-1), y)
        self.log("valid_loss", loss, on_epoch=True, batch_size=len(x))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": self.interval}}


class NoisyDataset(TensorDataset):
    """Draws from the generator of the worker that loads a batch, as augmentations do."""

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + 0.1 * torch.randn_like(x), y


class KillAt(Callback):
    """Ends the process as `kill -9` does."""

    def __init__(self, step: int, signal_number: int = signal.SIGKILL) -> None:
        self.step, self.signal_number = step, signal_number

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        if trainer.fit_loop.total_batch_idx == self.step:
            os.kill(os.getpid(), self.signal_number)


def train_toy(
    folder: Path,
    settings: TrainParams,
    kill_at: int | None = None,
    workers: int = 0,
    interval: str = "step",
    log: LogParams = LOG,
    handed_over_in_evaluation_mode: bool = False,
) -> FitResult:
    """Train in `folder` and write toy.safetensors there."""
    os.chdir(folder)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(EXAMPLES, 5, generator=generator)
    data = NoisyDataset(x, x.sum(1))
    torch.manual_seed(1)
    length = settings.epochs * (6 // settings.accumulate if interval == "step" else 1)
    toy = Toy(settings.lr, max(1, length), interval)
    toy.net.train(not handed_over_in_evaluation_mode)
    result = fit(
        toy,
        epoch_loader(data, settings.batch_size, seed=0, workers=workers),
        epoch_loader(TensorDataset(*data.tensors), 16, seed=0, shuffle=False),
        Run(
            name="toy",
            params=settings,
            hardware=HARDWARE,
            log=log,
            seed=7,
            inputs=["toy data"],
            live_folder=Path("live"),
            callbacks=() if kill_at is None else (KillAt(kill_at),),
            labels={"low": 20, "high": 24},
            configuration="tiny",
        ),
    )
    save_model(Path("toy.safetensors"), toy.state_dict(), {"best_epoch": result.best_epoch})
    result.discard_checkpoints()
    return result


def train_in_process(folder: Path, settings: TrainParams, kill_at: int | None = None, **options: Any) -> int:
    """Run `train_toy` in a process of its own and return its exit code (-9 where it was killed)."""
    options["kill_at"] = kill_at
    if options.get("workers"):  # loader processes of a fork end only after 5 s
        context: Any = multiprocessing.get_context("spawn")
        return exit_code(context.Process(target=train_toy, args=(folder, settings), kwargs=options))
    return in_process(train_toy, folder, settings, **options)
