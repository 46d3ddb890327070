"""Check the input folder and decode every image once.

    python src/run.py documents.prepare

Reads the folder `documents.data`; writes data/documents/prepared and data/documents/prepared_test, each with
pages.parquet and images.npy (N, S, S, 3) uint8, where S is 1.125 of the recipe's image size, and classes.json beside
the former; metrics/documents/data.json, class_distribution.png and near_duplicates.csv. Labels are corrected as
label_corrections.csv says, where the folder has one; those of test pages are not read. Memory does not grow with the
number of pages: the arrays are written through the disk.
"""

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from reprise.core.errors import InputError
from reprise.core.files import new_npy, write_json, write_parquet, write_text
from reprise.core.params import Hardware, Params, load_params, load_path, load_seed, load_value
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed
from reprise.core.stage import timed
from reprise.documents.data.corrections import FILE, apply_corrections, read_corrections
from reprise.documents.data.decoding import decode_all
from reprise.documents.data.folds import (
    check_folds,
    near_duplicate_groups,
    near_duplicate_rows,
    plain_folds,
    stratified_folds,
)
from reprise.documents.data.images import cache_size
from reprise.documents.data.layouts import Files
from reprise.documents.data.listing import list_test, list_train
from reprise.documents.data.statistics import describe, list_duplicates, log_statistics
from reprise.documents.data.tables import Classes
from reprise.documents.paths import CLASSES, IMAGES, METRICS, PAGES, PREPARED, PREPARED_TEST, TIMING
from reprise.documents.recipe import TASK, Recipe


class PrepareParams(Params):
    """`documents.prepare`: how the folder is read."""

    files: Files
    id_column: Annotated[str, Field(min_length=1)]
    target_column: Annotated[str, Field(min_length=1)]
    folds: Annotated[int, Field(ge=2)]
    duplicate_bits: Annotated[int, Field(ge=0, le=256)]
    max_megapixels: Annotated[float, Field(gt=0)]


def main() -> None:
    params, seed = load_params("documents.prepare", PrepareParams), load_seed()
    folder, stratify = load_path("documents.data"), load_value("documents.stratify")
    if not isinstance(stratify, bool):
        raise InputError(f"params.yaml: documents.stratify: {stratify!r}; expected true or false")
    threads = load_params("hardware", Hardware).threads
    size = cache_size(read_recipe(TASK, Recipe).image_size)
    with timed(TIMING / "prepare.json") as figures:
        files = params.files
        columns = (params.id_column, params.target_column)
        train, classes, train_images = list_train(folder, files, columns)
        corrections = read_corrections(folder / FILE, *columns, classes)
        train, corrected = apply_corrections(folder / FILE, train, corrections)
        test, test_images = list_test(folder, files, params.id_column)
        with (
            new_npy(PREPARED / IMAGES, (len(train), size, size, 3), "uint8") as train_array,
            new_npy(PREPARED_TEST / IMAGES, (len(test), size, size, 3), "uint8") as test_array,
        ):
            paths, test_paths = (
                [folder / part / name for name in pages["file"]]
                for part, pages in ((files.images, train), (files.test_images, test))
            )
            hashes, handled = decode_all(paths, train_array, params.max_megapixels, threads)
            test_hashes, test_handled = decode_all(test_paths, test_array, params.max_megapixels, threads)
            train["group"] = near_duplicate_groups(hashes, params.duplicate_bits)
            train["fold"] = choose_folds(train, params.folds, classes, stratify, derive_seed(seed, "documents-folds"))
            leaked = near_duplicate_rows(test_hashes, hashes, params.duplicate_bits)
            statistics = {
                "train": {**describe(train, classes), "handled": handled, "unlisted_images": train_images - len(train)},
                "corrections": corrected,
                "test": {
                    "pages": len(test),
                    "handled": test_handled,
                    "unlisted_images": test_images - len(test),
                    "near_duplicates_of_training_pages": len(leaked),
                },
            }
            # Imported once it is needed. Drawn first: if it fails, nothing has been written.
            from reprise.documents.class_distribution import plot_class_distribution

            plot_class_distribution(METRICS / "class_distribution.png", train, classes.names)
        write_parquet(PREPARED / PAGES, train)
        write_parquet(PREPARED_TEST / PAGES, test)
        write_json(PREPARED / CLASSES, {"targets": classes.targets, "names": classes.names})
        write_json(METRICS / "data.json", statistics)
        write_text(METRICS / "near_duplicates.csv", list_duplicates(train, classes).to_csv(index=False))
        figures["pages"] = len(train) + len(test)
    log_statistics(statistics)


def choose_folds(train: pd.DataFrame, folds: int, classes: Classes, stratify: bool, seed: int) -> np.ndarray:
    """Take the folds (N,) that train.csv gives, else draw them."""
    targets = train["target"].to_numpy()
    if "fold" not in train and not stratify:
        return plain_folds(train["group"].to_numpy(), folds, seed)
    if "fold" not in train:
        return stratified_folds(targets, train["group"].to_numpy(), folds, classes.names, seed)
    given = train["fold"].to_numpy()
    check_folds(given, targets, folds, classes.names)
    return given
