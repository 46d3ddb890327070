"""How an explainer learns, as a Lightning module; the detector is not part of it, only what it said of windows."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from reprise.core.errors import InputError
from reprise.core.processes import gather
from reprise.deepfake.data.windows import Windows
from reprise.deepfake.error_rate import equal_error_rate
from reprise.deepfake.explainer.model import Explainer, ExplainerParams, explainer_loss, localisation_loss
from reprise.training.means import log_mean
from reprise.training.schedule import fusible, with_schedule

LEAST_SPREAD, LEAST_GAP = 0.02, 0.05  # of importance: its deviation over moments, and spoofs' above natural speech's


class Learner(LightningModule):
    """Trains an explainer.

    Args:
        explainer: to be trained.
        params: loss, optimiser, rate of the prototypes.
        train: descriptions of the training utterances, with their labels and the moments known to be spoofed or not.
        dev: those to choose the epoch by, as whole utterances: `valid_loss` lacks the loss of moments.
    """

    def __init__(self, explainer: Explainer, params: ExplainerParams, train: Windows, dev: Windows) -> None:
        super().__init__()
        self.explainer, self.params, self.train_windows, self.dev_windows = explainer, params, train, dev
        self.collected: dict[str, list[Tensor]] = {}

    def batch(self, windows: Windows, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Descriptions (B, M, W, V + 1), mask (B, M) and labels (B,) bool of rows."""
        pieces = [torch.from_numpy(windows.utterance(row)) for row in rows.tolist()]
        padded = pad_sequence(pieces, batch_first=True)
        counts = torch.tensor([len(piece) for piece in pieces])
        mask = torch.arange(padded.shape[1]) < counts[:, None]
        spoof = torch.from_numpy(windows.spoof[rows.numpy()])
        return padded.to(self.device), mask.to(self.device), spoof.to(self.device)

    def spoofed(self, rows: Tensor) -> Tensor:
        """Which moments of training utterances, rows (B,), are spoofed: (B, M) of 1, 0 and, where unknown, NaN."""
        pieces = [torch.from_numpy(self.train_windows.spoofed(row)) for row in rows.tolist()]
        return pad_sequence(pieces, batch_first=True, padding_value=torch.nan).to(self.device)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Loss of a batch of rows (B,); in mode ema the prototypes follow."""
        windows, mask, spoof = self.batch(self.train_windows, batch.cpu())
        explanation = self.explainer(windows, mask)
        loss = explainer_loss(explanation, mask, spoof, self.params)
        loss = loss + self.params.lambda_localisation * localisation_loss(explanation.evidence, self.spoofed(batch))
        self.explainer.update(explanation, mask, spoof, self.params.ema_rate)
        log_mean(self, "train_loss", loss, len(batch))
        return loss

    def on_validation_epoch_start(self) -> None:
        self.collected = {"logits": [], "spoof": [], "importance": [], "owner": [], "loss": []}

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Explain dev utterances, rows (B,)."""
        windows, mask, spoof = self.batch(self.dev_windows, batch.cpu())
        explanation = self.explainer(windows, mask)
        loss = explainer_loss(explanation, mask, spoof, self.params)
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
        """AdamW."""
        params = self.params
        optimizer = torch.optim.AdamW(
            self.parameters(), params.lr, weight_decay=params.weight_decay, fused=fusible(params)
        )
        return with_schedule(optimizer, self.trainer, params)


def refuse_collapse(mode: str, figures: Mapping[str, float]) -> None:
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
