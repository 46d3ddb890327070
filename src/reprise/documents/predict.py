"""Predict the test pages, or any images.

    python -m reprise.documents.predict                       # the stage: the prepared test pages
    python -m reprise.documents.predict page.jpg scans/       # images and folders of images, as JSON lines

The folds' calibrated probabilities are averaged, each over the views of the page. The stage writes
metrics/documents/submission.csv, in the order and with the columns of sample_submission.csv, and probabilities.csv with
every class. Given images, the command reads models/documents alone (or `--models`) and prints one JSON line each.
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprise.core.devices import prediction_devices, torch_devices
from reprise.core.errors import InputError
from reprise.core.files import read_npy, read_parquet, write_text
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.processes import in_turns, only_first_goes_on, rank
from reprise.core.seed import use_deterministic_kernels
from reprise.core.stage import run_stage, timed
from reprise.documents.data.images import EXTENSIONS, cache_size, decode
from reprise.documents.data.tables import Classes

logger = logging.getLogger("reprise")

PREPARED_TEST = Path("data/documents/prepared_test")
METRICS = Path("metrics/documents")
MODELS = Path("models/documents")
MAX_MEGAPIXELS = 200.0  # of an image named on the command line
BLOCK = 256  # pages at once


def main() -> None:
    """Run the stage."""
    from reprise.documents.network.ensemble import load_ensemble

    hardware = load_params("hardware", Hardware)
    columns = load_value("documents.prepare.id_column"), load_value("documents.prepare.target_column")
    use_deterministic_kernels(hardware.threads)
    with timed(METRICS / "timing/predict.json") as figures:
        table = read_parquet(PREPARED_TEST / "pages.parquet")
        pages = read_npy(PREPARED_TEST / "images.npy")
        ensemble = load_ensemble(MODELS, torch_devices(hardware)[0])
        starts = range(0, len(pages), BLOCK)
        blocks = list(in_turns(starts, lambda start: ensemble.probabilities(pages[start : start + BLOCK])))
        only_first_goes_on()
        probabilities = np.concatenate([np.zeros((0, len(ensemble.classes))), *blocks])  # (N, C)
        submission, every = to_tables(table["id"].tolist(), probabilities, ensemble.classes, columns)
        write_text(METRICS / "submission.csv", submission.to_csv(index=False))
        write_text(METRICS / "probabilities.csv", every.to_csv(index=False, float_format="%.6f"))
        figures["pages"] = len(pages)
    logger.info("%d test pages predicted by %d folds", len(pages), len(ensemble.folds))


def to_tables(
    ids: "list[str]", probabilities: np.ndarray, classes: Classes, columns: tuple[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the submission, and the table of all probabilities with a column a class.

    Args:
        ids: of N pages.
        probabilities: (N, C).
        classes: the C classes.
        columns: names of the columns of ids and targets.
    """
    targets = [classes.targets[index] for index in probabilities.argmax(1)]
    submission = pd.DataFrame({columns[0]: ids, columns[1]: targets})
    every = pd.DataFrame(probabilities, columns=list(classes.names))
    every.insert(0, columns[0], ids)
    return submission, every


def command(arguments: argparse.Namespace) -> int:
    """Print a JSON line for each image that the command line names; returns the exit code."""
    try:
        for record in predict_images(arguments):
            print(json.dumps(record, ensure_ascii=False), flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def predict_images(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Predict images block by block, in the order in which they are named."""
    from reprise.documents.network.ensemble import load_ensemble

    paths = list_images(arguments.path)
    ensemble = load_ensemble(arguments.models, prediction_devices(arguments.accelerator)[0])
    size = cache_size(ensemble.image_size)

    def block_probabilities(block: "list[Path]") -> np.ndarray:
        return ensemble.probabilities(np.stack([decode(path, size, MAX_MEGAPIXELS).pixels for path in block]))

    blocks = [paths[start : start + BLOCK] for start in range(0, len(paths), BLOCK)]
    rows = (row for block in in_turns(blocks, block_probabilities) for row in block)
    for path, row in zip(paths, rows, strict=rank() == 0):  # rows come to the first process alone
        best = int(row.argmax())
        yield {
            "path": str(path),
            "target": ensemble.classes.targets[best],
            "class_name": ensemble.classes.names[best],
            "probability": round(float(row[best]), 6),
            "probabilities": dict(zip(ensemble.classes.names, np.round(row, 6).tolist(), strict=True)),
        }


def list_images(paths: "list[Path]") -> "list[Path]":
    """Images, and those under folders in the order of their names.

    Raises:
        InputError: a path that is not there, or a folder without an image.
    """
    images: list[Path] = []
    for path in paths:
        if not path.is_dir():
            images.append(path)
            continue
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
        if not found:
            raise InputError(f"{path}: no image in it; known extensions are {', '.join(EXTENSIONS)}")
        images += found
    return images


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Classify images of pages, as JSON lines; without one, run the stage.")
    parser.add_argument("path", type=Path, nargs="*", help="an image, or a folder of images")
    parser.add_argument("--models", type=Path, default=MODELS, help=f"folder of the trained folds ({MODELS})")
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, gpu or mps (auto)")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = parse_arguments()
    if chosen.path:
        sys.exit(command(chosen))
    run_stage(main)
