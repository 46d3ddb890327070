"""Self-training: a classifier learns from targets that its own predictions make."""

from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array
from torch import Tensor

from reprise.core.params import Params
from reprise.core.processes import gather
from reprise.core.recipe import Fraction
from reprise.taxonomy.classifier.learner import Learner, binary_divergence
from reprise.taxonomy.classifier.model import Network, class_probabilities
from reprise.taxonomy.classifier.self_training import WordView, neighbour_targets, paper_targets
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.recipe import Recipe
from reprise.training.means import log_mean


class SelfTrainParams(Params):
    """Params taxonomy.self_train."""

    target: Literal["neighbours", "paper"]
    iterations: Annotated[int, Field(ge=0)]
    batches_per_iteration: Annotated[int, Field(ge=1)]
    least_gain: Annotated[float, Field(ge=0)]
    patience: Annotated[int, Field(ge=0)]
    lr_scale: Annotated[float, Field(gt=0)]
    confident: Annotated[float, Field(gt=0, lt=1)]
    tolerance: Fraction
    neighbours: Annotated[int, Field(ge=1)]
    reference_documents: Annotated[int, Field(ge=2)]


class SelfLearner(Learner):
    """Trains on targets drawn from its own predictions at the start of each iteration.

    Args:
        network: the trained classifier.
        recipe: of this training.
        params: of self-training.
        hierarchy: the C classes.
        view: judges the predictions.
        votes: weights (N, M) of the voters, and their rows (M,); None for the paper's target.
        seeds: (N, C) bool, classes and their ancestors of the documents that a person labelled: their targets.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        params: SelfTrainParams,
        hierarchy: Hierarchy,
        view: WordView,
        votes: tuple[csr_array, np.ndarray] | None,
        seeds: np.ndarray,
    ) -> None:
        super().__init__(network, recipe, hierarchy)
        self.hierarchy, self.params, self.view, self.votes = hierarchy, params, view, votes
        self.seeds = seeds
        self.probabilities: np.ndarray | None = None  # (N, C), as the weights stood after iteration `predicted_after`
        self.predicted_after: int | None = None
        self.targets = torch.empty(0)  # (N, C)
        self.labels_before = np.empty(0)
        self._logits: dict[int, Tensor] = {}  # (C,) by document

    def start_from(self, probabilities: np.ndarray) -> None:
        """Take predictions (N, C) for all documents, made before the first iteration."""
        self.probabilities, self.predicted_after = probabilities, -1

    def on_train_epoch_start(self) -> None:
        """Draw the targets."""
        if self.predicted_after != self.current_epoch - 1:  # resumed, without the predictions of the iteration before
            self.probabilities = self._predict_all()
        assert self.probabilities is not None
        self.labels_before = self._labels()
        if self.votes is None:
            targets = paper_targets(self.probabilities)
        else:
            targets = neighbour_targets(self.probabilities, *self.votes)
        known = self.seeds.any(axis=1)
        targets[known] = self.seeds[known]
        self.targets = torch.from_numpy(targets).to(self.device)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        documents, rows = batch
        predicted = class_probabilities(self.network(documents), self.hierarchy, self.recipe.loss)  # (B, C)
        loss = binary_divergence(self.targets[rows], predicted)
        log_mean(self, "self_train_loss", loss, len(rows))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._keep(batch)

    def on_validation_epoch_end(self) -> None:
        """Measure the predictions for all documents."""
        self.probabilities, self.predicted_after = self._gather(), self.current_epoch
        best = self.probabilities[:, self.hierarchy.leaves].max(axis=1)
        confident = int((best >= self.params.confident).sum())
        figures = {
            "shared_information": self.mutual_information(),
            "confident_predictions": float(confident),
            "confidence_ratio": confident / len(best),
            "avg_max_prediction": float(best.mean()),
        }
        if len(self.labels_before):
            figures["avg_target_entropy"] = binary_entropy(self.targets)
            figures["changed_predictions"] = float((self._labels() != self.labels_before).mean())
            if figures["changed_predictions"] < self.params.tolerance:
                self.trainer.should_stop = True
        self.log_dict(figures)

    def mutual_information(self) -> float:
        """Mutual information of the predictions and those made from the words, in nats."""
        return self.view.mutual_information(self._labels())

    def _labels(self) -> np.ndarray:
        assert self.probabilities is not None
        return self.probabilities[:, self.hierarchy.leaves].argmax(axis=1)

    @torch.no_grad()
    def _predict_all(self) -> np.ndarray:
        self.network.eval()
        loader: Any = self.trainer.val_dataloaders
        with torch.random.fork_rng(devices=[]):  # a loader draws a seed, which would shift what the iteration draws
            for batch in loader:
                self._keep(self.transfer_batch_to_device(batch, self.device, 0))
        self.network.train()
        return self._gather()

    def _keep(self, batch: Any) -> None:
        documents, rows = batch
        self._logits.update(zip(rows.tolist(), self.network(documents).float().cpu(), strict=True))

    def _gather(self) -> np.ndarray:
        """Probabilities (N, C) of all documents, from the logits that the processes have."""
        logits = {row: own for part in gather(self._logits) for row, own in part.items()}
        self._logits.clear()
        in_order = torch.stack([logits[row] for row in range(len(logits))]).to(self.device)
        return class_probabilities(in_order, self.hierarchy, self.recipe.loss).cpu().numpy()


def binary_entropy(targets: Tensor) -> float:
    """Mean entropy of a document's targets (N, C), in nats, summed over classes."""
    return float((torch.special.entr(targets) + torch.special.entr(1 - targets)).sum(-1).mean())
