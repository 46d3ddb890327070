"""Train one explainer on the frozen detector's windows.

    python src/run.py deepfake.explainer ema

Reads models/deepfake/detector.safetensors and data/deepfake/windows; writes models/deepfake/explainer-ema.safetensors
and metrics/deepfake/explainer-ema (DVCLive: losses, dev EER, importance by class each epoch). The stage fails where the
explainer has collapsed: where importance hardly varies, or is no higher on spoofs than on natural speech.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, hash_file
from reprise.core.models import save_model
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.processes import gather
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.dataset import Rows, read_corpus
from reprise.deepfake.detector.model_file import DETECTOR
from reprise.deepfake.explainer.explainer_file import explainer_path
from reprise.deepfake.explainer.model import MODES, Explainer, ExplainerParams, explainer_loss
from reprise.deepfake.explainer.windows import Windows, read_windows
from reprise.deepfake.quality.metrics import equal_error_rate
from reprise.training.fit import EpochBatchSampler, fit
from reprise.training.schedule import warmup_schedule

logger = logging.getLogger("reprise")

PREPARED = Path("data/deepfake/prepared")
WINDOWS = Path("data/deepfake/windows")
METRICS = Path("metrics/deepfake")
DEV_BATCH = 64
LEAST_SPREAD, LEAST_GAP = 0.02, 0.05  # of importance: its deviation over moments, and spoofs' above natural speech's


class Learner(LightningModule):
    """Trains an explainer; the detector is not part of it, only what it said of windows.

    Args:
        explainer: to be trained.
        settings: loss, optimiser, rate of the prototypes.
        parts: windows and labels (N,) bool of train and dev.
    """

    def __init__(
        self, explainer: Explainer, settings: ExplainerParams, parts: "dict[str, tuple[Windows, np.ndarray]]"
    ) -> None:
        super().__init__()
        self.explainer, self.settings, self.parts = explainer, settings, parts
        self.collected: dict[str, list[Tensor]] = {}

    def batch(self, part: str, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windows (B, M, W, V + 1), mask (B, M) and labels (B,) bool of rows."""
        windows, spoof = self.parts[part]
        pieces = [torch.from_numpy(windows.utterance(row)) for row in rows.tolist()]
        padded = pad_sequence(pieces, batch_first=True)
        counts = torch.tensor([len(piece) for piece in pieces])
        mask = torch.arange(padded.shape[1]) < counts[:, None]
        return padded.to(self.device), mask.to(self.device), torch.from_numpy(spoof[rows.numpy()]).to(self.device)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Loss of a batch of rows (B,); in mode ema the prototypes follow."""
        windows, mask, spoof = self.batch("train", batch.cpu())
        explanation = self.explainer(windows, mask)
        loss = explainer_loss(explanation, mask, spoof, self.settings)
        self.explainer.update(explanation, mask, spoof, self.settings.ema_rate)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the epoch before."""
        self.collected = {"logits": [], "spoof": [], "importance": [], "owner": [], "loss": []}

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Explain dev utterances, rows (B,)."""
        windows, mask, spoof = self.batch("dev", batch.cpu())
        explanation = self.explainer(windows, mask)
        loss = explainer_loss(explanation, mask, spoof, self.settings)
        owner = spoof[:, None].expand_as(mask)[mask]
        values = {"logits": explanation.logits, "spoof": spoof, "importance": explanation.importance[mask]}
        for name, value in (values | {"owner": owner, "loss": loss[None] * len(batch)}).items():
            self.collected[name].append(value.cpu())

    def on_validation_epoch_end(self) -> None:
        """Log dev loss and EER, and mean and spread of the importance of each class."""
        processes = gather(self.collected)
        found = {name: torch.cat([value for part in processes for value in part[name]]) for name in self.collected}
        self.log("valid_loss", found["loss"].sum() / len(found["spoof"]))
        self.log("dev_eer", equal_error_rate(-found["logits"].numpy(), found["spoof"].numpy()))
        for name, chosen in (("bonafide", ~found["owner"]), ("spoof", found["owner"])):
            self.log(f"importance_{name}_mean", found["importance"][chosen].mean())
            self.log(f"importance_{name}_std", found["importance"][chosen].std())
        self.log("importance_std", found["importance"].std())

    def configure_optimizers(self) -> Any:
        """AdamW; the schedule steps with every batch."""
        settings = self.settings
        optimizer = torch.optim.AdamW(self.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        total = int(self.trainer.estimated_stepping_batches)
        schedule = warmup_schedule(optimizer, total, settings.warmup, settings.schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description="Train one explainer.")
    parser.add_argument("mode", choices=MODES)
    mode = parser.parse_args().mode
    if not DETECTOR.exists():
        raise InputError(f"{DETECTOR}: no such file; train the detector first: dvc repro deepfake-detector")
    settings, hardware = load_params("deepfake.explainer", ExplainerParams), load_params("hardware", Hardware)
    seed = derive_seed(load_value("seed"), "deepfake-explainer", mode)
    use_deterministic_kernels(hardware.training_threads)
    parts = {name: (read_windows(WINDOWS / name), read_corpus(PREPARED / name).spoof) for name in ("train", "dev")}
    with timed(METRICS / f"timing/explainer-{mode}.json") as figures:
        seed_everything(derive_seed(seed, "weights"))
        explainer = make_explainer(settings, mode, *parts["train"])
        learner = Learner(explainer, settings, parts)
        rows, dev_rows = (Rows(np.arange(len(windows))) for windows, _ in parts.values())
        result = fit(
            learner,
            DataLoader(rows, sampler=EpochBatchSampler(len(rows), settings.batch_size, seed), batch_size=None),
            DataLoader(
                dev_rows, sampler=EpochBatchSampler(len(dev_rows), DEV_BATCH, seed, shuffle=False), batch_size=None
            ),
            settings=settings,
            hardware=hardware,
            seed=seed,
            name=f"deepfake-explainer-{mode}",
            fingerprint=input_fingerprint(mode),
            live_folder=METRICS / f"explainer-{mode}",
        )
        best = result.history[result.best_epoch]
        refuse_collapse(mode, best)
        metadata = {"task": "deepfake-explainer", "mode": mode, "settings": settings.model_dump(mode="json")}
        inputs = int(np.prod(parts["train"][0].values.shape[1:]))
        facts = {"inputs": inputs, "detector": hash_file(DETECTOR), "best_epoch": result.best_epoch}
        save_model(explainer_path(mode), explainer.cpu().state_dict(), metadata | facts)
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    logger.info(
        "best epoch %d, dev EER %.4f; importance %.3f on spoofs, %.3f on natural speech",
        *(result.best_epoch + 1, best["dev_eer"], best["importance_spoof_mean"], best["importance_bonafide_mean"]),
    )


def make_explainer(settings: ExplainerParams, mode: Any, windows: Windows, spoof: np.ndarray) -> Explainer:
    """Build an explainer, with its prototypes at the means of the training classes."""
    inputs = int(np.prod(windows.values.shape[1:]))
    explainer = Explainer(inputs, settings.hidden, settings.dropout, settings.temperature, settings.smoothing, mode)
    pieces = [torch.from_numpy(windows.utterance(row)) for row in range(len(windows))]
    explainer.start(pieces, torch.from_numpy(np.array(spoof)))
    return explainer


def refuse_collapse(mode: str, figures: "dict[str, float]") -> None:
    """Refuse an explainer that points nowhere.

    Raises:
        InputError: its importance hardly varies, or is no higher on spoofs than on natural speech.
    """
    spread = figures["importance_std"]
    gap = figures["importance_spoof_mean"] - figures["importance_bonafide_mean"]
    if spread < LEAST_SPREAD or gap < LEAST_GAP:
        raise InputError(
            f"explainer-{mode} collapsed: its importance on dev varies by {spread:.4f} (expected {LEAST_SPREAD}) and "
            f"is {gap:+.4f} higher on spoofs (expected {LEAST_GAP}); try smaller lambdas or a lower lr"
        )


def input_fingerprint(mode: str) -> str:
    """Hash of the inputs that decide the result beside settings, seed and code."""
    files = [WINDOWS / part / name for part in ("train", "dev") for name in ("windows.npy", "index.parquet")]
    return hash_bytes(mode.encode(), *(hash_file(path).encode() for path in files))
