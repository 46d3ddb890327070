"""Detectors as files that say what they are."""

from pathlib import Path
from typing import Any, Literal

import torch

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model
from reprise.core.params import Params, parse_params
from reprise.core.weights import rebuild
from reprise.deepfake.detector.front_ends import CepstralFrontEnd
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.paths import DETECTOR
from reprise.deepfake.recipe import Recipe

LARGEST_NUMBER = 2**24  # in a description of an encoder
MOST_LAYERS = 256


class DetectorDescription(Params):
    """What a detector's file says of it."""

    task: Literal["deepfake-detector"]
    recipe: Recipe
    ssl_config: dict[str, Any] | None  # of the self-supervised encoder, so that the hub is not asked
    best_epoch: int


def save_detector(path: Path, detector: Detector, recipe: Recipe, best_epoch: int) -> None:
    """Write a detector with its description."""
    front_end = detector.front_end
    config = None if isinstance(front_end, CepstralFrontEnd) else front_end.encoder.config.to_dict()
    description = DetectorDescription(task="deepfake-detector", recipe=recipe, ssl_config=config, best_epoch=best_epoch)
    save_model(path, detector.state_dict(), description.model_dump(mode="json"))


def load_detector(path: Path = DETECTOR, device: str = "cpu") -> tuple[Detector, Recipe]:
    """Read a detector, frozen and in evaluation mode.

    Raises:
        InputError: missing, damaged or another model.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; train the detector first: dvc repro deepfake-detector")
    tensors, metadata = load_model(path)
    if isinstance(recipe := metadata.get("recipe"), dict):
        recipe.setdefault("speeds", [])  # files from before there was this key do not say
    described = parse_params(metadata, DetectorDescription, str(path))
    if (described.recipe.front_end in ("ssl", "whisper")) != (described.ssl_config is not None):
        raise InputError(f"{path}: front_end {described.recipe.front_end} with ssl_config {described.ssl_config!r}")
    _refuse_absurd(described.ssl_config, path)
    detector = rebuild(lambda: Detector(described.recipe, described.ssl_config), tensors, path)
    return detector.to(torch.device(device)).eval().requires_grad_(False), described.recipe


def _refuse_absurd(value: Any, path: Path) -> None:
    """Refuse numbers in an encoder's description for which even a model without memory takes forever to build."""
    if isinstance(value, dict):
        for name in ("num_hidden_layers", "encoder_layers"):
            layers = value.get(name, 0)
            if not isinstance(layers, int) or layers > MOST_LAYERS:
                raise InputError(f"{path}: ssl_config.{name}: {layers!r}; expected at most {MOST_LAYERS}")
        value = list(value.values())
    if isinstance(value, list):
        for each in value[:LARGEST_NUMBER]:
            _refuse_absurd(each, path)
    if isinstance(value, int) and value > LARGEST_NUMBER:
        raise InputError(f"{path}: ssl_config: {value}; expected at most {LARGEST_NUMBER}")
