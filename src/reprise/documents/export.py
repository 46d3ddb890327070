"""The documents task's export: the folds, the ensemble's values, and all of it as one ONNX graph."""

import copy
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.documents.data.images import cache_size
from reprise.documents.network.ensemble import Ensemble, load_ensemble
from reprise.documents.network.model import Classifier, hub_name
from reprise.documents.network.views import turn
from reprise.documents.onnx_ensemble import GRAPH, OnnxEnsemble
from reprise.documents.paths import ENSEMBLE, fold_path
from reprise.documents.recipe import Recipe
from reprise.onnx.graphs import Agreement, Contents, Graph, Pretrained, timed

EXAMPLE = """import json

import numpy as np
import onnxruntime
from PIL import Image

about = json.load(open("onnx/prediction.json"))
session = onnxruntime.InferenceSession("onnx/documents.onnx")
size = (about["page_size"], about["page_size"])
page = Image.open("page.png").convert("RGB").resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
probabilities = session.run(["probabilities"], {"pages": np.asarray(page)[None]})[0][0]
print(about["classes"][probabilities.argmax()], probabilities.max())
"""


def contents(models: Path) -> Contents:
    """Gather what prediction needs.

    Raises:
        InputError: a model is missing or damaged.
    """
    ensemble = load_ensemble(models)
    recipe = next(iter(ensemble.folds.values())).recipe
    paths = [models / ENSEMBLE, *(fold_path(fold, models) for fold in ensemble.folds)]
    return Contents(
        files={path.name: path for path in paths},
        recipe=recipe.model_dump(mode="json"),
        pretrained=pretrained_of(recipe),
        graphs=lambda: [graph_of(ensemble)],
        description={
            "task": "documents",
            "targets": list(ensemble.classes.targets),
            "classes": list(ensemble.classes.names),
            "image_size": ensemble.image_size,
            "page_size": cache_size(ensemble.image_size),
        },
        agreement=lambda folder, count, seed: compare(ensemble, folder, count, seed),
        onnx_input="pages as squares of 8-bit RGB; resizing, views, folds and temperature are in the graph",
        onnx_example=EXAMPLE,
    )


def pretrained_of(recipe: Recipe) -> list[Pretrained]:
    """Weights that the networks started from; none where they were random."""
    if recipe.weights == "none":
        return []
    if (name := hub_name(recipe)) is None:
        return [Pretrained(recipe.weights, "network, trained further")]
    config = timm.get_pretrained_cfg(name.removeprefix("timm/"))
    return [Pretrained(name, "network, trained further", getattr(config, "license", None))]


class ExportableEnsemble(nn.Module):
    """`Ensemble.probabilities` as one module, in single precision.

    Resizing is a product with a matrix that interpolates one axis, since ONNX's own rounds coordinates differently.

    Args:
        ensemble: stays as it is.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        self.views, self.temperature, self.classes = ensemble.views, ensemble.temperature, len(ensemble.classes)
        self.networks = nn.ModuleList(
            Classifier(copy.deepcopy(fold.classifier.network), False, fold.recipe.standardise)
            for fold in ensemble.folds.values()
        )
        stored, seen = cache_size(ensemble.image_size), ensemble.image_size
        rows = F.interpolate(torch.eye(stored)[None, None], size=(seen, stored), mode="bilinear", antialias=True)
        self.register_buffer("rows", rows[0, 0])  # (S, S')
        self.rows: Tensor

    def forward(self, pages: Tensor) -> Tensor:
        """Stored pages (N, S', S', 3) uint8 -> class probabilities (N, C)."""
        images = pages.permute(0, 3, 1, 2).float() * (1 / 255)
        images = self.rows @ images @ self.rows.T  # (N, 3, S, S)
        views = torch.cat([turn(images, view) for view in self.views])  # (V N, 3, S, S)
        logits = torch.stack([network(views) for network in self.networks]).mean(0) / self.temperature
        logits = logits.unflatten(0, (len(self.views), -1))  # (V, N, K)
        probabilities = logits[..., : self.classes].softmax(-1)
        if logits.shape[-1] == self.classes:
            return probabilities.mean(0)
        log_odds = logits[..., : self.classes].logsumexp(-1) - logits[..., self.classes]  # (V, N), as average_views
        return (log_odds.softmax(0)[..., None] * probabilities).sum(0)


def graph_of(ensemble: Ensemble) -> Graph:
    size = cache_size(ensemble.image_size)
    return Graph(
        name=GRAPH,
        module=ExportableEnsemble(ensemble),
        inputs={"pages": torch.zeros(2, size, size, 3, dtype=torch.uint8)},
        dynamic={"pages": {0: ("batch", 1, None)}},
        outputs=["probabilities"],
    )


def compare(ensemble: Ensemble, folder: Path, count: int, seed: int) -> Agreement:
    """Compare the ONNX graph of a folder with torch on pages of random blocks and strokes."""
    generator = np.random.default_rng(seed)
    size = cache_size(ensemble.image_size)
    pages = np.stack([random_page(size, generator) for _ in range(count)])
    expected, torch_seconds = timed(lambda: ensemble.probabilities(pages))
    onnx = OnnxEnsemble(folder, threads=1)
    found, onnx_seconds = timed(lambda: onnx.probabilities(pages))
    return Agreement(count, float(np.abs(found - expected).max()), torch_seconds, onnx_seconds)


def random_page(size: int, generator: np.random.Generator) -> np.ndarray:
    """A page (size, size, 3) uint8 of a background, blocks and noise."""
    page = np.full((size, size, 3), generator.integers(120, 256, 3), np.float64)
    for _ in range(generator.integers(3, 20)):
        top, left = generator.integers(0, size, 2)
        height, width = generator.integers(1, size // 2 + 2, 2)
        page[top : top + height, left : left + width] = generator.integers(0, 256, 3)
    page += generator.normal(0, generator.uniform(0, 20), page.shape)
    return page.clip(0, 255).astype(np.uint8)
