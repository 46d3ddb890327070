"""The trained folds as one predictor: what `models/documents` holds, and how it predicts."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from reprise.core.batches import BatchSize, EvalBatchSize
from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.models import load_model, read_checked_json, save_model
from reprise.core.params import Params, parse_params
from reprise.core.threads import map_on_threads
from reprise.core.weights import rebuild
from reprise.documents.data.tables import Classes
from reprise.documents.network.cpu import suit_cpu
from reprise.documents.network.fusion import fold_batch_norms
from reprise.documents.network.model import Classifier, count_outputs, create
from reprise.documents.network.pages import inference_batch, upright
from reprise.documents.network.views import VIEWS, average_views, turn
from reprise.documents.paths import ENSEMBLE, MODELS, fold_path
from reprise.documents.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class FoldModel:
    """One fold's classifier, in evaluation mode.

    Attributes:
        classifier: (B, 3, S, S) in [0, 1] -> (B, K), as `for_inference` makes it.
        recipe: how it was made.
        classes: the C classes.
        batch: pages at once; auto: as fast as memory allows.
    """

    classifier: Classifier
    recipe: Recipe
    classes: Classes
    batch: EvalBatchSize = "auto"

    @cached_property
    def batch_size(self) -> BatchSize:
        return BatchSize(self.batch, inference_batch(next(self.classifier.parameters()).device))

    def logits(self, pages: np.ndarray, views: Sequence[int] = (0,)) -> Tensor:
        """Logits (V, N, K) of views of stored pages (N, S', S', 3) uint8."""
        logits = self.batch_size.run(lambda size: self._logits(pages, views, size))
        if not logits.isfinite().all():
            raise InputError("a network's output is NaN or infinite: its weights or its precision are no good")
        return logits

    def _logits(self, pages: np.ndarray, views: Sequence[int], size: int) -> Tensor:
        on_cpu = next(self.classifier.parameters()).device.type == "cpu"
        threads = torch.get_num_threads() if on_cpu else 1  # one batch keeps a GPU busy
        held = threads * size
        blocks = [
            self._judge(pages[start : start + held], views, size, threads) for start in range(0, len(pages), held)
        ]
        return torch.cat(blocks, 1)

    def _judge(self, pages: np.ndarray, views: Sequence[int], size: int, threads: int) -> Tensor:
        """Logits (V, n, K) of n pages that are held as floats at once, in batches of `size`."""
        device = next(self.classifier.parameters()).device
        batches = torch.from_numpy(np.ascontiguousarray(pages)).split(size)
        images = [upright(batch.to(device), self.recipe.image_size) for batch in batches]

        @torch.inference_mode()
        def judge(batch_and_view: tuple[Tensor, int]) -> Tensor:
            return self.classifier(turn(*batch_and_view)).float().cpu()  # (B, K)

        judged = map_on_threads(judge, [(batch, view) for view in views for batch in images], threads)
        return torch.cat(judged).unflatten(0, (len(views), len(pages)))


def for_inference(network: nn.Module, recipe: Recipe) -> Classifier:
    """Make the classifier that predicts of a recipe's network, which stays as it is: the same function, faster."""
    weight = next(network.parameters())
    example = torch.rand(2, 3, recipe.image_size, recipe.image_size, generator=torch.Generator().manual_seed(0))
    example = example.to(weight.device)
    folded = fold_batch_norms(network, example)
    suit_cpu(folded, example)
    return Classifier(folded, recipe.channels_last, recipe.standardise).to(weight.device).eval()


class FoldDescription(Params):
    """What stands beside a fold's weights."""

    task: Literal["documents"]
    recipe: Recipe
    targets: Annotated[tuple[str, ...], Field(min_length=2)]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    fold: int
    best_epoch: int

    @model_validator(mode="after")
    def _pair(self) -> "FoldDescription":
        if not len(self.targets) == len(self.classes) == len(set(self.classes)) == len(set(self.targets)):
            raise ValueError("expected as many different classes as targets")
        return self


def save_fold(path: Path, network: nn.Module, recipe: Recipe, classes: Classes, facts: dict[str, int]) -> None:
    """Write a fold's weights with all that it takes to use them; `facts`: fold and best_epoch."""
    description = FoldDescription(
        task="documents", recipe=recipe, targets=classes.targets, classes=classes.names, **facts
    )
    save_model(path, network.state_dict(), description.model_dump(mode="json"))


def load_fold(path: Path, device: str = "cpu", batch: EvalBatchSize = "auto") -> FoldModel:
    """Read a fold's classifier.

    Raises:
        InputError: the file is missing, damaged or not a fold of this task, or its weights are not those of the network
            that it describes.
    """
    tensors, metadata = load_model(path)
    description = parse_params(metadata, FoldDescription, str(path))
    recipe, classes = description.recipe, Classes(description.targets, description.classes)
    outputs = count_outputs(recipe, len(classes))
    network = rebuild(lambda: create(recipe, outputs, recipe.pooling), tensors, path)
    return FoldModel(for_inference(network.to(device), recipe), recipe, classes, batch)


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Several folds, whose logits are averaged view by view before the temperature and the softmax.

    Averaged probabilities would be too unsure, and the more so the less the folds agree: a mean of calibrated forecasts
    is under-confident whatever they are (Ranjan and Gneiting, JRSS B 2010, theorem 1). Averaged logits keep the
    confidence that the folds share, so that the temperature found for one fold serves for all.

    Attributes:
        folds: the models, by fold.
        temperature: of the softmax.
        views: of each page that are averaged.
    """

    folds: dict[int, FoldModel]
    temperature: float
    views: tuple[int, ...]

    @property
    def classes(self) -> Classes:
        return next(iter(self.folds.values())).classes

    @property
    def image_size(self) -> int:
        return next(iter(self.folds.values())).recipe.image_size

    def probabilities(self, pages: np.ndarray) -> np.ndarray:
        """Class probabilities (N, C) of stored pages (N, S', S', 3) uint8, by all folds and views."""
        logits = np.mean([model.logits(pages, self.views).double().numpy() for model in self.folds.values()], axis=0)
        return average_views(logits, len(self.classes), self.temperature)

    def fold_probabilities(self, fold: int, pages: np.ndarray) -> np.ndarray:
        """Class probabilities (N, C) by one fold and all views."""
        logits = self.folds[fold].logits(pages, self.views).double().numpy()
        return average_views(logits, len(self.classes), self.temperature)


class EnsembleDescription(Params):
    """ensemble.json."""

    folds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    weights: dict[str, str]  # fold -> SHA-256 of its file
    temperature: Annotated[float, Field(ge=1e-3, le=1e3)]
    views: Literal["none", "flips", "turns", "turns_and_flips"]


def load_ensemble(folder: Path = MODELS, device: str = "cpu", batch: EvalBatchSize = "auto") -> Ensemble:
    """Read the folds of a folder.

    Raises:
        InputError: a file is missing or damaged, or the folds do not share classes and image size.
    """
    path = folder / ENSEMBLE
    if not path.is_file():
        raise InputError(f"{path}: no such file; run `dvc repro`, or `dvc pull` where a remote holds it")
    description = parse_params(read_checked_json(path), EnsembleDescription, str(path))
    folds = {}
    for fold in description.folds:
        weights = fold_path(fold, folder)
        folds[fold] = load_fold(weights, device, batch)
        if hash_file(weights) != description.weights.get(str(fold)):
            raise InputError(f"{weights}: not the weights that were calibrated; run `dvc repro`")
    kinds = {(model.classes, model.recipe.image_size) for model in folds.values()}
    if len(kinds) != 1:
        raise InputError(f"{folder}: the folds differ in classes or image size; run `dvc repro`")
    return Ensemble(folds, description.temperature, VIEWS[description.views])


def choose_folds(ensemble: Ensemble, chosen: str | None) -> Ensemble:
    """Keep some folds of an ensemble.

    Args:
        ensemble: all of them.
        chosen: their numbers, such as "0,2"; None: all.

    Raises:
        InputError: a fold that it does not have.
    """
    if chosen is None:
        return ensemble
    there = {str(fold): fold for fold in ensemble.folds}
    wanted = [part.strip() for part in chosen.split(",")]
    if unknown := [part for part in wanted if part not in there]:
        raise InputError(f"no fold {unknown[0]!r}; the models have {', '.join(there)}")
    return dataclasses.replace(ensemble, folds={there[part]: ensemble.folds[there[part]] for part in wanted})
