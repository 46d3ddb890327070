"""Folders and files of the deepfake task, relative to the root of the repository."""

from pathlib import Path
from typing import Literal, get_args

DATA = Path("data/deepfake")
SAMPLE = DATA / "sample"
PREPARED = DATA / "prepared"  # a folder a split
PARTIAL = DATA / "partial"
WINDOWS = DATA / "windows"  # a folder a split, and `partial`
SCORES = DATA / "scores"

MODELS = Path("models/deepfake")
DETECTOR = MODELS / "detector.safetensors"
BASELINE = MODELS / "baseline.safetensors"
DECISION = MODELS / "decision.json"
EXPLAINER = "explainer.json"  # in a folder of models: which explainer prediction takes

METRICS = Path("metrics/deepfake")
TIMING = METRICS / "timing"

Mode = Literal["ema", "fixed", "learnable"]  # how an explainer's prototypes change
MODES: tuple[Mode, ...] = get_args(Mode)


def explainer_path(mode: str, models: Path = MODELS) -> Path:
    return models / f"explainers/{mode}.safetensors"
