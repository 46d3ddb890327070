"""Check the input folder and decode every image once.

    python src/run.py documents.prepare

Reads the folder `documents.data`; writes data/documents/prepared and data/documents/prepared_test, each with
pages.parquet and images.npy (N, S, S, 3) uint8, where S is 1.125 of the recipe's image size, and classes.json beside
the former; metrics/documents/data.json, class_distribution.png and near_duplicates.csv. Labels of test pages are not
read. Memory does not grow with the number of pages: the arrays are written through the disk.
"""

import functools
import itertools
import logging
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from reprise.core.errors import InputError
from reprise.core.files import new_npy, write_json, write_parquet, write_text
from reprise.core.params import Hardware, Params, load_params, load_value
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed
from reprise.core.stage import timed
from reprise.documents.data.folds import (
    check_folds,
    near_duplicate_groups,
    near_duplicate_pairs,
    perceptual_hash,
    stratified_folds,
)
from reprise.documents.data.images import ImageFolder, cache_size, decode
from reprise.documents.data.tables import Classes, read_classes, read_labels, read_table, refuse_repeated
from reprise.documents.recipe import TASK, Recipe

logger = logging.getLogger("reprise")

PREPARED = Path("data/documents/prepared")
PREPARED_TEST = Path("data/documents/prepared_test")
METRICS = Path("metrics/documents")
ERRORS_SHOWN = 5


class PrepareParams(Params):
    """`documents.prepare`: how the folder is read."""

    id_column: str
    target_column: str
    duplicate_bits: Annotated[int, Field(ge=0, le=256)]
    max_megapixels: Annotated[float, Field(gt=0)]


def main() -> None:
    """Run the stage."""
    params, seed = load_params("documents.prepare", PrepareParams), load_value("seed")
    folder, folds = Path(load_value("documents.data")), read_folds()
    threads = load_params("hardware", Hardware).threads
    size = cache_size(read_recipe(TASK, Recipe).image_size)
    with timed(METRICS / "timing/prepare.json") as figures:
        classes = read_classes(folder / "meta.csv", params.target_column)
        train, train_images = list_train(folder, params, classes)
        test, test_images = list_test(folder, params)
        parts, targets = {"train": train, "test": test}, train["target"].to_numpy()
        with (
            new_npy(PREPARED / "images.npy", (len(train), size, size, 3), "uint8") as train_array,
            new_npy(PREPARED_TEST / "images.npy", (len(test), size, size, 3), "uint8") as test_array,
        ):
            limit = params.max_megapixels
            paths, test_paths = ([folder / part / name for name in pages["file"]] for part, pages in parts.items())
            hashes, handled = decode_all(paths, train_array, limit, threads)
            test_hashes, test_handled = decode_all(test_paths, test_array, limit, threads)
            train["group"] = near_duplicate_groups(hashes, params.duplicate_bits)
            if "fold" in train:
                check_folds(train["fold"].to_numpy(), targets, folds, classes.names)
            else:
                split = derive_seed(seed, "documents-folds")
                train["fold"] = stratified_folds(targets, train["group"].to_numpy(), folds, classes.names, split)
        write_parquet(PREPARED / "pages.parquet", train)
        write_parquet(PREPARED_TEST / "pages.parquet", test)
        write_json(PREPARED / "classes.json", {"targets": classes.targets, "names": classes.names})
        leaked = near_duplicate_pairs(test_hashes, hashes, params.duplicate_bits)[0]
        figures["pages"] = len(train) + len(test)
    statistics = {
        "train": {**describe(train, classes), "handled": handled, "unlisted_images": train_images - len(train)},
        "test": {
            "pages": len(test),
            "handled": test_handled,
            "unlisted_images": test_images - len(test),
            "near_duplicates_of_training_pages": len(np.unique(leaked)),
        },
    }
    write_json(METRICS / "data.json", statistics)
    write_text(METRICS / "near_duplicates.csv", list_duplicates(train, classes).to_csv(index=False))
    from reprise.documents.quality.plots import plot_class_distribution

    plot_class_distribution(METRICS / "class_distribution.png", train, classes.names)
    report(statistics)


def read_folds() -> int:
    """Number of folds.

    Raises:
        InputError: `documents.folds` is not 0, 1, ... with at least two.
    """
    folds = load_value("documents.folds")
    if not isinstance(folds, list) or len(folds) < 2 or folds != list(range(len(folds))):
        raise InputError(f"params.yaml: documents.folds: {folds}; expected [0, 1, ...], at least two")
    return len(folds)


def list_train(folder: Path, params: PrepareParams, classes: Classes) -> tuple[pd.DataFrame, int]:
    """Read train.csv and find its images.

    Returns:
        Columns id, file, target and, where given, fold; and the number of images in the folder.
    """
    path = folder / "train.csv"
    labels = read_labels(path, params.id_column, params.target_column, classes)
    images = ImageFolder(folder / "train")
    labels.insert(1, "file", [images.find(name, f"{path}:{line}") for line, name in labels["id"].items()])
    refuse_repeated(path, labels, "file")
    return labels.reset_index(drop=True), len(images.files)


def list_test(folder: Path, params: PrepareParams) -> tuple[pd.DataFrame, int]:
    """List the test pages: those of sample_submission.csv in its order, else all images of test/.

    Returns:
        Columns id and file; and the number of images in the folder. No row where there is no test folder.
    """
    listing = folder / "sample_submission.csv"
    if not (folder / "test").is_dir() and not listing.exists():
        return pd.DataFrame({"id": pd.Series(dtype=str), "file": pd.Series(dtype=str)}), 0
    images = ImageFolder(folder / "test")
    if not listing.exists():
        names = sorted(images.files)
        return pd.DataFrame({"id": names, "file": names}), len(names)
    table = read_table(listing, (params.id_column,))
    refuse_repeated(listing, table, params.id_column)
    test = pd.DataFrame({"id": table[params.id_column]})
    test["file"] = [images.find(name, f"{listing}:{line}") for line, name in test["id"].items()]
    return test.reset_index(drop=True), len(images.files)


def decode_all(
    paths: list[Path], array: np.memmap, max_megapixels: float, processes: int
) -> tuple[np.ndarray, dict[str, int]]:
    """Decode images into the rows of an array, in several processes.

    Args:
        paths: N files.
        array: (N, S, S, 3) uint8 on the disk; the processes write their rows themselves.
        max_megapixels: of one image.
        processes: how many.

    Returns:
        Perceptual hashes (N, 32) uint8, and how many images were unusual in which way.

    Raises:
        InputError: unreadable images; the line names the first few and says how many there are.
    """
    hashes, handled, errors = np.zeros((len(paths), 32), np.uint8), Counter[str](), []
    target = Target(str(array.filename), array.offset, array.shape)
    with ProcessPoolExecutor(processes) as pool:
        arguments = (paths, itertools.count(), itertools.repeat(target), itertools.repeat(max_megapixels))
        for row, result in enumerate(pool.map(decode_one, *arguments, chunksize=16)):
            if isinstance(result, str):
                errors.append(result)
                continue
            hashes[row] = result[0]
            handled.update(result[1])
    if errors:
        more = f" (and {len(errors) - ERRORS_SHOWN} more images)" if len(errors) > ERRORS_SHOWN else ""
        raise InputError("; ".join(errors[:ERRORS_SHOWN]) + more)
    return hashes, dict(sorted(handled.items()))


class Target(NamedTuple):
    """Where in which file an array of pages lies."""

    path: str
    offset: int
    shape: tuple[int, ...]


@functools.lru_cache(maxsize=1)
def open_target(target: Target) -> np.ndarray:
    """Map an array of pages into this process."""
    return np.memmap(target.path, np.uint8, "r+", target.offset, target.shape)


def decode_one(
    path: Path, row: int, target: Target, max_megapixels: float
) -> "str | tuple[np.ndarray, tuple[str, ...]]":
    """Decode an image into its row, and hash it; an error comes back as its line, so that all can be told at once."""
    try:
        decoded = decode(path, target.shape[1], max_megapixels)
    except InputError as error:
        return str(error)
    open_target(target)[row] = decoded.pixels
    return perceptual_hash(decoded.pixels), decoded.handled


def describe(train: pd.DataFrame, classes: Classes) -> dict[str, Any]:
    """Count the training pages by class and fold, and near-duplicates among them."""
    repeated = train[train["group"].duplicated(keep=False)]
    by_group = repeated.groupby("group")
    counts = train["target"].value_counts()
    return {
        "pages": len(train),
        "classes": {name: int(counts.get(index, 0)) for index, name in enumerate(classes.names)},
        "folds": {str(fold): int(count) for fold, count in train["fold"].value_counts().sort_index().items()},
        "near_duplicates": {
            "pages": len(repeated),
            "groups": by_group.ngroups,
            "groups_with_different_labels": int((by_group["target"].min() < by_group["target"].max()).sum()),
            "groups_over_several_folds": int((by_group["fold"].min() < by_group["fold"].max()).sum()),
        },
    }


def list_duplicates(train: pd.DataFrame, classes: Classes) -> pd.DataFrame:
    """List the pages that have a near-duplicate, group by group."""
    repeated = train[train["group"].duplicated(keep=False)].sort_values(["group", "id"])
    names = [classes.names[target] for target in repeated["target"]]
    return pd.DataFrame({"group": repeated["group"].factorize()[0], "ID": repeated["id"], "class_name": names})


def report(statistics: dict[str, Any]) -> None:
    """Say what was found."""
    train, test = statistics["train"], statistics["test"]
    logger.info("%d training pages of %d classes, %d test pages", train["pages"], len(train["classes"]), test["pages"])
    if unlabelled := [name for name, count in train["classes"].items() if count == 0]:
        logger.warning("classes of meta.csv without a page: %s", ", ".join(unlabelled))
    duplicates = train["near_duplicates"]
    if duplicates["pages"]:
        logger.info("near-duplicates: %d pages in %d groups", duplicates["pages"], duplicates["groups"])
    if duplicates["groups_over_several_folds"]:
        logger.warning("%d groups are spread over folds by the column fold", duplicates["groups_over_several_folds"])
    if duplicates["groups_with_different_labels"]:
        logger.warning(
            "%d groups have different labels: see near_duplicates.csv", duplicates["groups_with_different_labels"]
        )
    for part in (train, test):
        if part["unlisted_images"]:
            logger.warning("%d images are listed nowhere, and left out", part["unlisted_images"])
