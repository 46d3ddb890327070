"""The training pages that a network finds most alike: nearest by its pooled features.

Features of all training pages are computed once for each network and set of pages, and kept in .cache/demo/.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, hash_file, read_json, read_npy, read_parquet
from reprise.core.kept import kept_array
from reprise.documents.network.ensemble import FoldModel
from reprise.documents.network.pages import upright
from reprise.documents.paths import CLASSES, IMAGES, PAGES, PREPARED
from reprise.tools.demo.work import Report

CACHE = Path(".cache/demo")
BATCH = 32  # pages at once, between two reports
VERSION = "1"  # of what is computed


class Neighbour(NamedTuple):
    """A training page.

    Attributes:
        row: in the prepared pages.
        name: of its file.
        class_name: its label.
        similarity: cosine of the features.
    """

    row: int
    name: str
    class_name: str
    similarity: float


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The training pages with their features.

    Attributes:
        pages: N rows with id, file and target.
        images: (N, S', S', 3) uint8, on the disk.
        features: (N, D), rows of norm 1.
        class_names: of the targets.
    """

    pages: pd.DataFrame
    images: np.ndarray
    features: np.ndarray
    class_names: tuple[str, ...]

    def nearest(self, features: np.ndarray, count: int) -> list[Neighbour]:
        """The pages nearest to features (D,) of norm 1, nearest first."""
        similarities = self.features @ features
        rows = (-similarities).argsort(kind="stable")[:count].tolist()
        return [
            Neighbour(
                row,
                str(self.pages["file"].iloc[row]),
                self.class_names[int(self.pages["target"].iloc[row])],
                round(float(similarities[row]), 4),
            )
            for row in rows
        ]


@torch.inference_mode()
def pooled_features(model: FoldModel, images: Tensor) -> np.ndarray:
    """Features (B, D), of norm 1, that a network's last layer takes, of images (B, 3, S, S) in [0, 1]."""
    network: Any = model.classifier.network
    device = next(model.classifier.parameters()).device
    maps = network.forward_features(model.classifier.normalise(images.to(device)))
    pooled = network.forward_head(maps, pre_logits=True)
    return F.normalize(pooled.flatten(1).float(), dim=1).cpu().numpy()


def open_neighbours(model: FoldModel, weights: Path, report: Report, prepared: Path = PREPARED) -> Neighbours | None:
    """Read the training pages with their features, computing what the cache lacks.

    Args:
        model: whose features.
        weights: its file.
        report: called after each batch.
        prepared: folder of the prepared pages.

    Returns:
        None where the pages are not here, as beside models that were fetched alone.

    Raises:
        InputError: the pages are damaged, or of another size or other classes than the network's.
    """
    if not (prepared / PAGES).is_file() or not (prepared / IMAGES).is_file():
        return None
    pages, images = read_parquet(prepared / PAGES), read_npy(prepared / IMAGES)
    names = tuple(read_json(prepared / CLASSES)["names"])
    if len(pages) != len(images) or names != model.classes.names:
        raise InputError(f"{prepared}: not the pages that the models learnt from; run `dvc repro`")
    stat = (prepared / IMAGES).stat()
    key = hash_bytes(
        f"{VERSION} {stat.st_size} {stat.st_mtime_ns}".encode(),
        hash_file(prepared / PAGES).encode(),
        hash_file(weights).encode(),
    )
    path = CACHE / f"pages-{key[:24]}.npy"
    features = kept_array(path, lambda: compute(model, images, report))
    return Neighbours(pages, images, np.asarray(features), names)


def compute(model: FoldModel, images: np.ndarray, report: Report) -> np.ndarray:
    """Features (N, D) of stored pages (N, S', S', 3) uint8."""
    rows = []
    for start in range(0, len(images), BATCH):
        report(start, len(images), "looking at the training pages, once")
        batch = torch.from_numpy(np.array(images[start : start + BATCH]))
        rows.append(pooled_features(model, upright(batch, model.recipe.image_size)))
    return np.concatenate(rows)
