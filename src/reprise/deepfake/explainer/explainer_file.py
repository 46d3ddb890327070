"""Reading explainers, and using them."""

from pathlib import Path

import numpy as np
import torch

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.models import load_model
from reprise.core.params import parse_params
from reprise.deepfake.detector.model_file import DETECTOR, MODELS
from reprise.deepfake.explainer.model import Explainer, ExplainerParams


def explainer_path(mode: str, folder: Path = MODELS) -> Path:
    """Where an explainer stands."""
    return folder / f"explainer-{mode}.safetensors"


def load_explainer(mode: str, folder: Path = MODELS) -> Explainer:
    """Read an explainer, in evaluation mode.

    Raises:
        InputError: missing, damaged, another model, or made for another detector.
    """
    path = explainer_path(mode, folder)
    tensors, metadata = load_model(path)
    if metadata.get("task") != "deepfake-explainer":
        raise InputError(f"{path}: a model of {metadata.get('task')!r}, not an explainer")
    if metadata["detector"] != hash_file(folder / DETECTOR.name):
        raise InputError(f"{path}: made for another detector; run `dvc repro deepfake-explainer@{mode}`")
    settings = parse_params(metadata["settings"], ExplainerParams, f"{path}: settings")
    explainer = Explainer(
        metadata["inputs"],
        settings.hidden,
        settings.dropout,
        settings.temperature,
        settings.smoothing,
        metadata["mode"],
    )
    explainer.load_state_dict(tensors)
    return explainer.eval().requires_grad_(False)


@torch.inference_mode()
def importance_of(explainer: Explainer, windows: np.ndarray) -> np.ndarray:
    """Importance (M,) in (0, 1) of an utterance's moments, described by windows (M, W, V + 1)."""
    values = torch.from_numpy(windows)[None]
    return explainer(values, torch.ones(values.shape[:2], dtype=torch.bool)).importance[0].numpy()
