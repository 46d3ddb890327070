"""The pages of a person's folder: which image belongs to which row of the tables."""

from pathlib import Path

import pandas as pd

from reprise.documents.data.images import ImageFolder
from reprise.documents.data.tables import Classes, read_labels, read_table, refuse_repeated


def list_train(folder: Path, id_column: str, target_column: str, classes: Classes) -> tuple[pd.DataFrame, int]:
    """Read train.csv and find its images.

    Returns:
        Columns id, file, target and, where given, fold; and the number of images in the folder.
    """
    path = folder / "train.csv"
    labels = read_labels(path, id_column, target_column, classes)
    images = ImageFolder(folder / "train")
    labels.insert(1, "file", [images.find(name, f"{path}:{line}") for line, name in labels["id"].items()])
    refuse_repeated(path, labels, "file")
    return labels.reset_index(drop=True), len(images.files)


def list_test(folder: Path, id_column: str) -> tuple[pd.DataFrame, int]:
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
    table = read_table(listing, (id_column,))
    refuse_repeated(listing, table, id_column)
    test = pd.DataFrame({"id": table[id_column]})
    test["file"] = [images.find(name, f"{listing}:{line}") for line, name in test["id"].items()]
    return test.reset_index(drop=True), len(images.files)
