"""Self-training: the classifier learns from targets that its own predictions make.

    python src/run.py taxonomy.self_train

Reads models/taxonomy/{recipe.yaml,encoder,classifier.safetensors}, the training documents and their embeddings; writes
models/taxonomy/self_trained.safetensors and metrics/taxonomy/self_train (DVCLive, one step an iteration).

An iteration draws targets for all documents, then trains on some batches. Two targets: `paper`, TaxoClass's (Shen et
al., NAACL 2021, equation 7), which squares probabilities and divides by class frequency; and `neighbours`, the
predictions mixed with those of the nearest documents. After each iteration the model is judged without a label by the
information that two views share (src/taxonomy/agreement.py). The best iteration is published where that has grown by
`least_gain`, and the classifier as it was otherwise: self-training mends bad classifiers and blurs good ones, and no
measure without labels tells small gains from small losses.
"""

import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_array
from torch import Tensor

from reprise.core.devices import torch_devices
from reprise.core.files import hash_bytes, hash_file, read_parquet
from reprise.core.models import save_model
from reprise.core.params import Hardware, Params, load_params, load_value
from reprise.core.processes import gather
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.taxonomy.classifier.agreement import WordView
from reprise.taxonomy.classifier.learner import Learner, binary_divergence, make_loaders
from reprise.taxonomy.classifier.model import class_probabilities
from reprise.taxonomy.classifier.neighbours import neighbour_weights
from reprise.taxonomy.classifier.predictor import Predictor
from reprise.training.fit import fit

logger = logging.getLogger("reprise")

PREPARED = Path("data/taxonomy/prepared")
EMBEDDINGS = Path("data/taxonomy/embeddings/train.npy")
TRAINED = Path("models/taxonomy/classifier.safetensors")
SELF_TRAINED = Path("models/taxonomy/self_trained.safetensors")
LIVE = Path("metrics/taxonomy/self_train")
TIMING = Path("metrics/taxonomy/timing/self_train.json")


class SelfTrainParams(Params):
    """Params taxonomy.self_train."""

    target: Literal["neighbours", "paper"]
    iterations: Annotated[int, Field(ge=0)]  # at most; 0 publishes the trained classifier as it is
    batches_per_iteration: Annotated[int, Field(ge=1)]  # between two draws of the targets
    least_gain: Annotated[float, Field(ge=0)]  # of shared information, as a fraction of the start's, to be published
    patience: Annotated[int, Field(ge=0)]  # iterations without better agreement before stopping; 0: never
    lr_scale: Annotated[float, Field(gt=0)]  # learning rate as a fraction of the recipe's lr
    confident: Annotated[float, Field(gt=0, lt=1)]  # a prediction is counted as confident from here on
    tolerance: Annotated[float, Field(ge=0, le=1)]  # stop when fewer documents than this change their best leaf
    neighbours: Annotated[int, Field(ge=1)]  # that vote, by target `neighbours`
    reference_documents: Annotated[int, Field(ge=2)]  # the voters are a random subset of at most this many


def main() -> None:
    """Run the stage."""
    section = load_params("taxonomy.self_train", SelfTrainParams)
    hardware, seed = load_params("hardware", Hardware), load_value("seed")
    use_deterministic_kernels(hardware.threads)
    with timed(TIMING):
        predictor = Predictor(TRAINED, torch_devices(hardware))
        recipe, network = predictor.recipe, predictor.network
        texts = read_parquet(PREPARED / "train.parquet")["text"].tolist()
        embeddings = predictor.embed(texts, "train", at_hand=EMBEDDINGS)
        documents = texts if network.encoder else torch.from_numpy(embeddings)
        everything = np.arange(len(texts))
        loaders = make_loaders(
            network,
            documents,
            torch.arange(len(texts)),
            (everything, everything),
            recipe,
            derive_seed(seed, "taxonomy-self-train"),
            hardware,
            batches=section.batches_per_iteration,
        )
        weights = None
        if section.target == "neighbours":
            weights = vote_weights(embeddings, section, seed)
        learner = SelfLearner(predictor, section, WordView(texts, seed), weights)
        learner.start_from(predictor.probabilities(predictor.logits(embeddings)))
        start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        before = learner.shared_information()
        logger.info("information shared by the two views before self-training: %.4f nats", before)
        seed_everything(derive_seed(seed, "taxonomy-self-train"))
        network.train()  # the predictor, which the network comes from, had put it into evaluation mode
        result = fit(
            learner,
            *loaders,
            settings=recipe.model_copy(update={"epochs": section.iterations, "patience": section.patience}),
            hardware=hardware,
            seed=seed,
            name="taxonomy-self-train",
            fingerprint=input_fingerprint(section, texts),
            live_folder=LIVE,
            monitor="shared_information",
            mode="max",
            summary={"shared_information_before": before},
        )
        least = before * (1 + section.least_gain)
        if improved := result.best_score > least:
            logger.info("published: iteration %d, %.4f nats", result.best_epoch + 1, result.best_score)
        else:
            network.load_state_dict(start)
            logger.info("published: the classifier as it was; no iteration reached %.4f nats", least)
        network.eval()
        threshold = predictor.threshold_for(texts, embeddings) if improved else predictor.evidence_threshold
        save_model(SELF_TRAINED, network.state_dict(), predictor.metadata(threshold))
    result.discard_checkpoints()


class SelfLearner(Learner):
    """Trains on targets drawn from its own predictions at the start of each iteration.

    Args:
        predictor: the trained classifier.
        section: parameters.
        view: judges the predictions.
        votes: (N, M) weights of the voters, and their rows (M,); None for the paper's target.
    """

    def __init__(
        self,
        predictor: Predictor,
        section: SelfTrainParams,
        view: WordView,
        votes: tuple[csr_array, np.ndarray] | None,
    ) -> None:
        recipe = predictor.recipe.model_copy(update={"schedule": "constant", "warmup": 0.0})
        super().__init__(predictor.network, recipe, predictor.hierarchy, recipe.loss, recipe.lr * section.lr_scale)
        self.hierarchy, self.section, self.view, self.votes = predictor.hierarchy, section, view, votes
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
        if self.predicted_after != self.current_epoch - 1:  # resumed: the predictions of the last iteration are gone
            self.probabilities = self._predict_all()
        assert self.probabilities is not None
        self.labels_before = self._labels()
        if self.votes is None:
            targets = paper_targets(self.probabilities)
        else:
            targets = neighbour_targets(self.probabilities, *self.votes)
        self.targets = torch.from_numpy(targets).to(self.device)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Divergence of the predictions from the targets."""
        documents, rows = batch
        predicted = class_probabilities(self.network(documents), self.hierarchy, self.loss)  # (B, C)
        loss = binary_divergence(self.targets[rows], predicted)
        self.log("self_train_loss", loss, on_step=False, on_epoch=True, batch_size=len(rows), sync_dist=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Predict."""
        self._keep(batch)

    def on_validation_epoch_end(self) -> None:
        """Judge the predictions for all documents."""
        self.probabilities, self.predicted_after = self._gather(), self.current_epoch
        best = self.probabilities[:, self.hierarchy.leaves].max(axis=1)
        confident = int((best >= self.section.confident).sum())
        figures = {
            "shared_information": self.shared_information(),
            "confident_predictions": float(confident),
            "confidence_ratio": confident / len(best),
            "avg_max_prediction": float(best.mean()),
        }
        if len(self.labels_before):
            figures["avg_target_entropy"] = binary_entropy(self.targets)
            figures["changed_predictions"] = float((self._labels() != self.labels_before).mean())
            if figures["changed_predictions"] < self.section.tolerance:
                self.trainer.should_stop = True
        self.log_dict(figures)

    def shared_information(self) -> float:
        """Information that the predictions share with what the words say, in nats."""
        return self.view.shared_information(self._labels())

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
        return class_probabilities(in_order, self.hierarchy, self.loss).cpu().numpy()


def paper_targets(probabilities: np.ndarray) -> np.ndarray:
    """TaxoClass, equation 7: (N, C) -> (N, C).

    q = (p^2 / sum_i p) / (p^2 / sum_i p + (1 - p)^2 / sum_i (1 - p)).
    """
    p = probabilities.astype(np.float64)
    inside, outside = np.square(p) / p.sum(axis=0), np.square(1 - p) / np.maximum((1 - p).sum(axis=0), 1e-12)
    return (inside / (inside + outside)).astype(np.float32)


def neighbour_targets(probabilities: np.ndarray, weights: csr_array, voters: np.ndarray) -> np.ndarray:
    """Half a document's own probabilities, half those of its nearest documents: (N, C) -> (N, C)."""
    return (0.5 * probabilities + 0.5 * (weights @ probabilities[voters])).astype(np.float32)


def vote_weights(embeddings: np.ndarray, section: SelfTrainParams, seed: int) -> tuple[csr_array, np.ndarray]:
    """Weights (N, M) of the voters on each document, and the voters' rows (M,)."""
    count = min(section.reference_documents, len(embeddings))
    generator = np.random.default_rng(derive_seed(seed, "self-training voters"))
    voters = np.sort(generator.choice(len(embeddings), count, replace=False))
    return neighbour_weights(embeddings, voters, section.neighbours), voters


def binary_entropy(targets: Tensor) -> float:
    """Mean entropy of a document's targets (N, C), in nats, summed over classes."""
    return float((torch.special.entr(targets) + torch.special.entr(1 - targets)).sum(-1).mean())


def input_fingerprint(section: SelfTrainParams, texts: list[str]) -> str:
    """Hash of the inputs that decide the result beside recipe, seed and code."""
    return hash_bytes(section.model_dump_json().encode(), hash_file(TRAINED).encode(), *(t.encode() for t in texts))
