"""Detectors as files that say what they are."""

from pathlib import Path
from typing import Any

import torch

from reprise.core.errors import InputError
from reprise.core.models import load_model, save_model
from reprise.core.params import parse_params
from reprise.deepfake.detector.model import Detector, SelfSupervisedFrontEnd
from reprise.deepfake.paths import DETECTOR
from reprise.deepfake.recipe import Recipe

KIND = "deepfake-detector"


def save_detector(path: Path, detector: Detector, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Write a detector with its recipe, and further facts."""
    encoder = detector.front_end
    config = encoder.encoder.config.to_dict() if isinstance(encoder, SelfSupervisedFrontEnd) else None
    metadata = {"task": KIND, "recipe": recipe.model_dump(mode="json"), "ssl_config": config, **facts}
    save_model(path, detector.state_dict(), metadata)


def load_detector(path: Path = DETECTOR, device: str = "cpu") -> tuple[Detector, Recipe]:
    """Read a detector, frozen and in evaluation mode.

    Raises:
        InputError: missing, damaged or another model.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; train the detector first: dvc repro deepfake-detector")
    tensors, metadata = load_model(path)
    if metadata.get("task") != KIND:
        raise InputError(f"{path}: a model of {metadata.get('task')!r}, not a detector")
    recipe = parse_params(metadata["recipe"], Recipe, f"{path}: recipe")
    detector = Detector(recipe, metadata["ssl_config"])
    detector.load_state_dict(tensors)
    return detector.to(torch.device(device)).eval().requires_grad_(False), recipe
