"""The trained folds as one predictor: what `models/documents` holds, and how it predicts."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.models import load_model, read_checked_json, save_model
from reprise.core.params import parse_params
from reprise.documents.data.tables import Classes
from reprise.documents.network.model import Classifier, count_outputs, create
from reprise.documents.network.pages import INFERENCE_BATCH, upright
from reprise.documents.network.views import VIEWS, average_views, turn
from reprise.documents.paths import ENSEMBLE, MODELS, fold_path
from reprise.documents.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class FoldModel:
    """One fold's classifier, in evaluation mode.

    Attributes:
        classifier: (B, 3, S, S) in [0, 1] -> (B, K).
        recipe: how it was made.
        classes: the C classes.
    """

    classifier: Classifier
    recipe: Recipe
    classes: Classes

    @torch.inference_mode()
    def logits(self, pages: np.ndarray, views: Sequence[int] = (0,)) -> Tensor:
        """Logits (V, N, K) of views of stored pages (N, S', S', 3) uint8."""
        device = next(self.classifier.parameters()).device
        batches = []
        for start in range(0, len(pages), INFERENCE_BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(pages[start : start + INFERENCE_BATCH])).to(device)
            images = upright(batch, self.recipe.image_size)
            batches.append(torch.stack([self.classifier(turn(images, view)).float().cpu() for view in views]))
        return torch.cat(batches, 1)


def save_fold(path: Path, network: nn.Module, recipe: Recipe, classes: Classes, facts: dict[str, Any]) -> None:
    """Write a fold's weights with all that it takes to use them, and further facts."""
    metadata = {
        "task": "documents",
        "recipe": recipe.model_dump(mode="json"),
        "targets": classes.targets,
        "classes": classes.names,
        **facts,
    }
    save_model(path, network.state_dict(), metadata)


def load_fold(path: Path, device: str = "cpu") -> FoldModel:
    """Read a fold's classifier.

    Raises:
        InputError: the file is missing, damaged or not a fold of this task.
    """
    tensors, metadata = load_model(path)
    if metadata.get("task") != "documents":
        raise InputError(f"{path}: a model of the task {metadata.get('task')!r}, not documents")
    recipe = parse_params(metadata["recipe"], Recipe, f"{path}: recipe")
    classes = Classes(tuple(metadata["targets"]), tuple(metadata["classes"]))
    network = create(recipe, count_outputs(recipe, len(classes)), recipe.pooling)
    network.load_state_dict(tensors)
    classifier = Classifier(network, recipe.channels_last, recipe.standardise)
    return FoldModel(classifier.to(device).eval(), recipe, classes)


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Several folds, whose calibrated probabilities are averaged.

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
        """Class probabilities (N, C) of stored pages (N, S', S', 3) uint8: the mean over folds and views."""
        return np.mean([self.fold_probabilities(fold, pages) for fold in self.folds], axis=0)

    def fold_probabilities(self, fold: int, pages: np.ndarray) -> np.ndarray:
        """Class probabilities (N, C) of one fold: the mean over views."""
        logits = self.folds[fold].logits(pages, self.views).double()
        return average_views(logits, len(self.classes), self.temperature).numpy()


def load_ensemble(folder: Path = MODELS, device: str = "cpu") -> Ensemble:
    """Read the folds of a folder.

    Raises:
        InputError: a file is missing or damaged, or the folds do not share classes and image size.
    """
    description = read_checked_json(folder / ENSEMBLE)
    for fold in description["folds"]:
        path = fold_path(fold, folder)
        if path.is_file() and hash_file(path) != description["weights"][str(fold)]:
            raise InputError(f"{path}: not the weights that were calibrated; run `dvc repro`")
    folds = {fold: load_fold(fold_path(fold, folder), device) for fold in description["folds"]}
    kinds = {(model.classes, model.recipe.image_size) for model in folds.values()}
    if len(kinds) != 1:
        raise InputError(f"{folder}: the folds differ in classes or image size; run `dvc repro`")
    return Ensemble(folds, description["temperature"], VIEWS[description["views"]])
