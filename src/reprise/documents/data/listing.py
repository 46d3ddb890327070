"""The pages of a person's folder: which image belongs to which row of the tables."""

from pathlib import Path

import pandas as pd

from reprise.documents.data.images import ImageFolder
from reprise.documents.data.layouts import Files, read_train, recognise, refuse_no_text
from reprise.documents.data.tables import Classes, read_table, refuse_repeated


def list_train(folder: Path, files: Files, columns: tuple[str, str]) -> tuple[pd.DataFrame, Classes, int]:
    """Read the training pages' labels in whichever layout they have, and find their images.

    Args:
        folder: a person's.
        files: names in it.
        columns: of ids and targets.

    Returns:
        Columns id, file, target and, where given, fold; the classes; and the number of images in the folder.
    """
    labels, classes = read_train(folder, files, columns)
    images = ImageFolder(folder / files.images, files.extension)
    if recognise(folder, files, columns) == "folders":
        labels.insert(1, "file", labels["id"].tolist())
        return labels.reset_index(drop=True), classes, len(images.files)
    path = folder / files.train
    labels.insert(1, "file", [images.find(name, f"{path}:{line}") for line, name in labels["id"].items()])
    refuse_repeated(path, labels, "file")
    return labels.reset_index(drop=True), classes, len(images.files)


def list_test(folder: Path, files: Files, id_column: str) -> tuple[pd.DataFrame, int]:
    """List the test pages: those of sample_submission.csv in its order, else all images of test/.

    Returns:
        Columns id and file; and the number of images in the folder. No row where there is no test folder.
    """
    listing = folder / files.test
    if not (folder / files.test_images).is_dir() and not listing.exists():
        return pd.DataFrame({"id": pd.Series(dtype=str), "file": pd.Series(dtype=str)}), 0
    images = ImageFolder(folder / files.test_images, files.extension)
    if not listing.exists():
        names = sorted(images.files)
        for name in names:
            refuse_no_text(folder / files.test_images, name)
        return pd.DataFrame({"id": names, "file": names}), len(names)
    table = read_table(listing, (id_column,))
    refuse_repeated(listing, table, id_column)
    test = pd.DataFrame({"id": table[id_column]})
    test["file"] = [images.find(name, f"{listing}:{line}") for line, name in test["id"].items()]
    return test.reset_index(drop=True), len(images.files)
