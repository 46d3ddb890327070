"""The layouts of training pages: a table, an index, or a folder a class; recognised by what is there.

| Layout | Where labels stand |
| --- | --- |
| `table` | train.csv with the columns of ids and targets |
| `index` | lines of `path label`, a tab or white space between |
| `folders` | `train/<class>/page.jpg`, where there is no such file |
"""

from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from reprise.core.errors import InputError
from reprise.core.params import Params
from reprise.core.text import compose_name
from reprise.documents.data.images import image_names
from reprise.documents.data.tables import (
    Classes,
    explained,
    match_classes,
    order_classes,
    read_classes,
    read_header,
    read_label_texts,
    refuse_repeated,
)

Layout = Literal["table", "index", "folders"]


class Files(Params):
    """`documents.prepare.files`: names in a person's folder."""

    train: str
    classes: str
    images: str
    test: str
    test_images: str
    extension: str  # of the file that counts where an id fits several; empty: none


def recognise(folder: Path, files: Files, columns: tuple[str, str]) -> Layout:
    """Tell the layout of the training pages.

    Args:
        folder: a person's.
        files: names in it.
        columns: of ids and targets in a table.
    """
    path = folder / files.train
    if not path.exists():
        return "folders" if class_folders(folder / files.images) else "table"  # the table's error says what is missing
    return file_layout(path, columns)


def file_layout(path: Path, columns: tuple[str, str]) -> Literal["table", "index"]:
    """Tell a table from an index: it is called .csv, or its first line names one of the columns."""
    named = {compose_name(column) for column in columns} & set(read_header(path))
    return "table" if named or path.suffix.lower() == ".csv" else "index"


def class_folders(images: Path) -> list[str]:
    """Names of the folders in a folder of images that hold images; none where there is no such folder."""
    if not images.is_dir():
        return []
    return sorted({name.partition("/")[0] for name in image_names(images) if "/" in name})


def read_train(folder: Path, files: Files, columns: tuple[str, str]) -> tuple[pd.DataFrame, Classes]:
    """Read the training pages' ids and classes in whichever layout they have.

    Returns:
        Columns id, target (index of the class) and, where given, fold; indexed by line. And the classes: those of
        meta.csv where there is one, else those that pages have.

    Raises:
        InputError: as the readers of each layout say.
    """
    layout, path = recognise(folder, files, columns), folder / files.train
    known = read_classes(folder / files.classes, columns[1]) if (folder / files.classes).exists() else None
    if layout == "folders":
        path = folder / files.images
        labels = list_class_folders(path)
    else:
        labels = read_label_file(path, columns, files.images)
    if known is None:
        return with_own_classes(path, labels)
    if layout == "folders":  # they are called as people call their classes, or by their targets
        targets = {compose_name(name): target for target, name in zip(known.targets, known.names, strict=True)}
        targets |= {compose_name(target): target for target in known.targets}
        labels["label"] = [targets.get(compose_name(label), label) for label in labels["label"]]
    return match_classes(path, labels, known, files.classes), known


def with_own_classes(path: Path, labels: pd.DataFrame) -> tuple[pd.DataFrame, Classes]:
    """Take the labels themselves for the classes, by number where all are numbers, else by name."""
    composed = labels["label"].map(compose_name)
    targets = sorted(composed.unique())
    classes = order_classes(path, targets, targets)
    return match_classes(path, labels, classes, str(path)), classes


def read_label_file(path: Path, columns: tuple[str, str], images: str) -> pd.DataFrame:
    """Read a table or an index of labels: columns id, label and, where given, fold; indexed by line."""
    if file_layout(path, columns) == "table":
        return read_label_texts(path, *columns)
    return read_index(path, images)


def read_index(path: Path, images: str) -> pd.DataFrame:
    """Read lines of `path label`; a path may begin with the folder of images.

    Args:
        path: the file.
        images: name of the folder of images.

    Returns:
        Columns id (below the folder of images) and label; indexed by line.

    Raises:
        InputError: missing, not UTF-8, a line without a label, an id twice, no line at all.
    """
    expected = "expected lines of `path label`"
    rows: dict[int, tuple[str, str]] = {}
    with explained(path, expected):
        content = path.read_text(encoding="utf-8-sig")
    for number, line in enumerate(content.split("\n"), 1):  # not splitlines(): names may hold what it breaks at
        if line.strip():
            rows[number] = split_index_line(line.strip(), f"{path}:{number}", images)
    if not rows:
        raise InputError(f"{path}: no rows; {expected}")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["id", "label"], dtype=object)
    refuse_repeated(path, table, "id")
    return table


def split_index_line(line: str, where: str, images: str) -> tuple[str, str]:
    """Take a line apart at its last tab, else at its last white space: a path may hold spaces."""
    parts = line.rsplit("\t", 1) if "\t" in line else line.rsplit(None, 1)
    if len(parts) < 2 or not all(part.strip() for part in parts):
        raise InputError(f"{where}: {line!r}; expected `path label`")
    identifier = parts[0].strip().removeprefix("./").removeprefix(f"{PurePosixPath(images).as_posix()}/")
    return identifier, parts[1].strip()


def list_class_folders(images: Path) -> pd.DataFrame:
    """List `<class>/page.jpg`: columns id (the file's name with its folder) and label; by name.

    Raises:
        InputError: an image beside the folders, or a name that is not UTF-8.
    """
    rows = []
    for name in image_names(images):
        if "/" not in name:
            raise InputError(
                f"{images / name}: in no class's folder; expected {images}/<class>/{name}, or a table of labels"
            )
        refuse_no_text(images, name)
        rows.append((name, name.partition("/")[0]))
    return pd.DataFrame(rows, columns=["id", "label"], index=range(1, len(rows) + 1), dtype=object)


def refuse_no_text(folder: Path, name: str) -> None:
    """Refuse a file's name that is no UTF-8; Python stands in for other bytes with surrogates, which no file can hold.

    Raises:
        InputError: names the file.
    """
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise InputError(f"{folder}: {name!r}: the file's name is not UTF-8; rename it")
