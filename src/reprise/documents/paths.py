"""Folders and files of the documents task."""

from pathlib import Path

DATA = Path("data/documents")
SAMPLE = DATA / "sample"
PREPARED = DATA / "prepared"
PREPARED_TEST = DATA / "prepared_test"
OUT_OF_FOLD = DATA / "out_of_fold"
MODELS = Path("models/documents")
METRICS = Path("metrics/documents")
TIMING = METRICS / "timing"

IMAGES, PAGES, CLASSES = "images.npy", "pages.parquet", "classes.json"  # in the prepared folders
ENSEMBLE = "ensemble.json"  # in a folder of models


def fold_path(fold: int, folder: Path = MODELS) -> Path:
    return folder / f"fold-{fold}.safetensors"


def out_of_fold_folder(fold: int) -> Path:
    return OUT_OF_FOLD / f"fold-{fold}"


def live_folder(fold: int) -> Path:
    return METRICS / f"fold-{fold}"


def fold_timing(fold: int) -> Path:
    return TIMING / f"fold-{fold}.json"


def fold_epochs(fold: int) -> Path:
    """The folder of a fold's metrics.jsonl."""
    return TIMING / f"fold-{fold}"
