"""Explainers as files that say what they are, and the file that names the one that prediction takes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.models import load_model, read_checked_json, save_model, write_checked_json
from reprise.core.params import Params, parse_params
from reprise.core.weights import rebuild
from reprise.deepfake.explainer.model import Explainer, ExplainerParams
from reprise.deepfake.paths import DETECTOR, EXPLAINER, MODELS, Mode, explainer_path


class ExplainerDescription(Params):
    """What an explainer's file says of it."""

    task: Literal["deepfake-explainer"]
    mode: Mode
    params: ExplainerParams
    inputs: Annotated[int, Field(ge=1, le=2**24)]
    detector: str  # SHA-256 of the file of the one that it explains
    best_epoch: int


def save_explainer(mode: Mode, explainer: Explainer, params: ExplainerParams, best_epoch: int) -> None:
    """Write an explainer with its description."""
    description = ExplainerDescription(
        task="deepfake-explainer",
        mode=mode,
        params=params,
        inputs=len(explainer.mean),
        detector=hash_file(DETECTOR),
        best_epoch=best_epoch,
    )
    save_model(explainer_path(mode), explainer.state_dict(), description.model_dump(mode="json"))


class Published(Params):
    """explainer.json."""

    published: Mode


def publish_explainer(mode: Mode) -> None:
    """Write which explainer prediction takes."""
    write_checked_json(MODELS / EXPLAINER, {"published": mode})


def published_mode(models: Path = MODELS) -> Mode:
    """Read which explainer prediction takes.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = models / EXPLAINER
    if not path.is_file():
        raise InputError(f"{path}: no such file; run `dvc repro`, or `dvc pull` where a remote holds it")
    return parse_params(read_checked_json(path), Published, str(path)).published


def load_explainer(mode: Mode, models: Path = MODELS) -> Explainer:
    """Read an explainer, in evaluation mode.

    Raises:
        InputError: missing, damaged, another model, or made for another detector.
    """
    path = explainer_path(mode, models)
    tensors, metadata = load_model(path)
    described = parse_params(metadata, ExplainerDescription, str(path))
    if described.detector != hash_file(models / DETECTOR.name):
        raise InputError(f"{path}: made for another detector; run `dvc repro deepfake-explainer@{mode}`")
    explainer = rebuild(lambda: Explainer(described.inputs, described.params, described.mode), tensors, path)
    return explainer.eval().requires_grad_(False)
