"""What the tab of pages shows: a page's class, its orientation, where the networks looked, pages like it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.special import logsumexp, softmax
from torch import Tensor

from reprise.documents.data.images import FORMATS, ORIENTATION, cache_size, decode
from reprise.documents.network.ensemble import Ensemble, load_ensemble
from reprise.documents.network.pages import upright
from reprise.documents.network.views import average_views, turn
from reprise.documents.paths import fold_path
from reprise.documents.predict import MAX_MEGAPIXELS, describe_prediction
from reprise.tools.demo.activation import activation_map
from reprise.tools.demo.neighbours import Neighbours, open_neighbours, pooled_features
from reprise.tools.demo.uploads import named_as_given
from reprise.tools.demo.work import Report

SHOWN = 900  # pixels of the longer side, at most
NEAREST = 3
SIDEWAYS = (5, 6, 7, 8)  # EXIF's orientations that exchange width and height
FAINT, STRONG = 0.5, 0.99  # quantiles of a map between which it is laid over the page, from nothing to full strength
COLOUR = (230, 60, 0)  # of a map
TURNED = {0: "upright", 1: "a quarter turn clockwise", 2: "upside down", 3: "a quarter turn counter-clockwise"}


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that was read.

    Attributes:
        name: of its file.
        stored: (S', S', 3) uint8, what the networks take.
        shown: (H, W, 3) uint8, for a person.
        handled: what was unusual about its file, as of `images.Decoded`.
    """

    name: str
    stored: np.ndarray
    shown: np.ndarray
    handled: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class PageAnswer:
    """What is known of a page.

    Attributes:
        record: what `reprise predict documents` prints, with `name` for its path, `orientation` and `nearest_pages`.
        upright: (H, W, 3) uint8, turned as it was found to lie.
        looked: (H, W, 3) uint8, the same with the class-activation map over it; None where there is no map.
        nearest: (picture (H', W', 3) uint8, caption) of training pages.
    """

    record: dict[str, Any]
    upright: np.ndarray
    looked: np.ndarray | None
    nearest: list[tuple[np.ndarray, str]]


@dataclasses.dataclass
class Pages:
    """The models, and the training pages once they have been looked at.

    Attributes:
        ensemble: the folds.
        models: their folder.
        images: folder of the training pages' files, to show them as they are.
    """

    ensemble: Ensemble
    models: Path
    images: Path | None = None
    _neighbours: Neighbours | None = None
    _looked_for: bool = False

    def neighbours(self, report: Report) -> Neighbours | None:
        """The training pages with the features of the first fold's network; None where they are not here.

        Raises:
            InputError: as `open_neighbours`.
        """
        if not self._looked_for:
            fold, model = next(iter(self.ensemble.folds.items()))
            self._neighbours = open_neighbours(model, fold_path(fold, self.models), report)
            self._looked_for = True
        return self._neighbours


def open_pages(models: Path) -> Pages:
    """Read the models of a folder.

    Raises:
        InputError: no usable models.
    """
    from reprise.core.devices import prediction_devices

    return Pages(load_ensemble(models, prediction_devices("auto")[0]), models, training_images())


def training_images() -> Path | None:
    """The folder of training pages that params.yaml names, where there is one."""
    from reprise.core.params import PARAMS_FILE, load_value

    if not PARAMS_FILE.is_file():
        return None
    folder = Path(str(load_value("documents.data")), str(load_value("documents.prepare.files.images")))
    return folder if folder.is_dir() else None


def read_page(path: Path, image_size: int) -> Page:
    """Read an image for networks that see `image_size` pixels, and for a person.

    Raises:
        InputError: as `decode`, with the file's own name.
    """
    with named_as_given(path):
        stored = decode(path, cache_size(image_size), MAX_MEGAPIXELS)
        return Page(path.name, stored.pixels, read_for_people(path), stored.handled)


def read_for_people(path: Path) -> np.ndarray:
    """An image (H, W, 3) uint8 in its own proportions, at most SHOWN a side.

    Raises:
        InputError: as `decode`.
    """
    square = decode(path, SHOWN, MAX_MEGAPIXELS).pixels
    with Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        try:
            sideways = image.getexif().get(ORIENTATION) in SIDEWAYS
        except Exception:  # damaged EXIF, of which Pillow raises many kinds: it never stops a page
            sideways = False
    if sideways:
        width, height = height, width
    scale = min(1.0, SHOWN / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(square).resize(size, Image.Resampling.LANCZOS))


def explain_page(page: Page, pages: Pages, report: Report) -> PageAnswer:
    """Classify a page, and say why.

    Raises:
        InputError: the training pages are not those of the models, or weights are damaged.
    """
    ensemble = pages.ensemble
    report(0, 4, "classifying")
    logits = view_logits(page.stored, ensemble)  # (V, 1, K)
    row = average_views(logits, len(ensemble.classes), ensemble.temperature)[0]  # (C,)
    best = int(row.argmax())
    weights = view_weights(logits, len(ensemble.classes), ensemble.temperature)
    view = ensemble.views[int(weights.argmax())] if weights is not None else 0
    record = {"name": page.name, **describe_prediction(row, ensemble, page.handled)}
    record["orientation"] = describe_orientation(ensemble.views, weights)
    report(1, 4, "looking where the networks looked")
    standing = turned(page.shown, view)
    heat = mean_activation(page.stored, view, best, ensemble)
    report(2, 4, "looking for pages like it")
    neighbours = pages.neighbours(report)
    nearest: list[tuple[np.ndarray, str]] = []
    record["nearest_pages"] = []
    if neighbours is not None:
        model = next(iter(ensemble.folds.values()))
        features = pooled_features(model, image_of(page.stored, view, model.recipe.image_size))[0]
        found = neighbours.nearest(features, NEAREST)
        record["nearest_pages"] = [
            {"file": each.name, "class_name": each.class_name, "similarity": each.similarity} for each in found
        ]
        nearest = [
            (training_page(each.row, each.name, neighbours, pages.images), f"{each.class_name}, {each.similarity:.2f}")
            for each in found
        ]
    return PageAnswer(record, standing, None if heat is None else overlay(standing, heat), nearest)


def classify_page(page: Page, ensemble: Ensemble) -> dict[str, Any]:
    """The record of a page without reasons, for the table of many.

    It has no `path`: gradio's client takes an object with one for a file, and asks for it.
    """
    logits = view_logits(page.stored, ensemble)
    row = average_views(logits, len(ensemble.classes), ensemble.temperature)[0]
    record = {"name": page.name, **describe_prediction(row, ensemble, page.handled)}
    weights = view_weights(logits, len(ensemble.classes), ensemble.temperature)
    return record | {"orientation": describe_orientation(ensemble.views, weights)}


def view_logits(stored: np.ndarray, ensemble: Ensemble) -> np.ndarray:
    """Logits (V, 1, K) of the views of a stored page (S', S', 3), averaged over the folds."""
    folds = [model.logits(stored[None], ensemble.views).double().numpy() for model in ensemble.folds.values()]
    return np.mean(folds, axis=0)


def view_weights(logits: np.ndarray, classes: int, temperature: float) -> np.ndarray | None:
    """How likely each view is the upright one, (V,), as `average_views` weighs them.

    Args:
        logits: (V, 1, K), with K = classes or classes + 1.
        classes: C.
        temperature: of the ensemble.

    Returns:
        None where the networks were not taught to tell, or see one view alone.
    """
    if logits.shape[-1] == classes or len(logits) == 1:
        return None
    scaled = logits[:, 0] / temperature
    log_odds = logsumexp(scaled[:, :classes], axis=-1) - scaled[:, classes]  # (V,)
    return softmax(log_odds)


def describe_orientation(views: tuple[int, ...], weights: np.ndarray | None) -> dict[str, Any] | None:
    """How the page lies, in words, and how sure that is; None where the networks were not taught to tell."""
    if weights is None:
        return None
    place = int(weights.argmax())
    view = views[place]
    mirrored = view >= 4
    # A view is turned counter-clockwise; so far the page lies clockwise from upright, seen after a mirror if mirrored.
    words = TURNED[view % 4] if not mirrored else f"mirrored, {TURNED[view % 4]}".removesuffix(", upright")
    return {"found": words, "view": view, "probability": round(float(weights[place]), 4)}


def turned(image: np.ndarray, view: int) -> np.ndarray:
    """One of the eight views of an image (H, W, 3), as `views.turn` makes it of tensors."""
    mirrored = image[:, ::-1] if view >= 4 else image
    return np.ascontiguousarray(np.rot90(mirrored, view % 4))


def image_of(stored: np.ndarray, view: int, size: int) -> Tensor:
    """A stored page (S', S', 3) as networks see a view of it, (1, 3, size, size) in [0, 1]."""
    return turn(upright(torch.from_numpy(np.array(stored[None])), size), view)


def mean_activation(stored: np.ndarray, view: int, target: int, ensemble: Ensemble) -> np.ndarray | None:
    """The class-activation map (h, w) of a view of a page, averaged over the folds; None where a network has none."""
    maps = []
    for model in ensemble.folds.values():
        device = next(model.classifier.parameters()).device
        heat = activation_map(model, image_of(stored, view, model.recipe.image_size).to(device), target)
        if heat is None:
            return None
        maps.append(heat)
    return np.mean(maps, axis=0)


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) uint8 coloured by a map (h, w); what is dark stays so, that print can be read through it."""
    height, width = image.shape[:2]
    enlarged = np.asarray(Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))
    low, high = np.quantile(enlarged, (FAINT, STRONG))
    strength = np.clip((enlarged - low) / max(float(high - low), 1e-9), 0, 1)[..., None]
    inked = image * (np.array(COLOUR) / 255)
    return (image * (1 - strength) + inked * strength).round().clip(0, 255).astype(np.uint8)


def training_page(row: int, name: str, neighbours: Neighbours, images: Path | None) -> np.ndarray:
    """A training page for a person: its file, or the square that was prepared where the file is gone or another now."""
    from reprise.core.errors import InputError

    stored = np.asarray(neighbours.images[row])
    if images is not None:
        try:
            if np.array_equal(decode(images / name, len(stored), MAX_MEGAPIXELS).pixels, stored):
                return read_for_people(images / name)
        except InputError:
            pass
    return stored


def row_of(record: dict[str, Any]) -> list[str]:
    """A line of the table of many pages: file, class or what is wrong, probability, how it lies."""
    if "error" in record:
        return [record["name"], record["error"], "", ""]
    lies = record["orientation"]
    return [record["name"], record["class_name"], f"{record['probability']:.2f}", lies["found"] if lies else "not told"]
