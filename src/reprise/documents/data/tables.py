"""The CSV files of a documents folder, checked row by row."""

import contextlib
import csv
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from reprise.core.errors import InputError
from reprise.core.text import compose_name

NUMBER = re.compile(r"[0-9]{1,18}")
FOLD = re.compile(r"[0-9]{1,4}")
CHOICES_SHOWN = 20
TARGET_COLUMNS = ("target", "label", "class_id", "label_id", "id", "index")  # of meta.csv, beside the given name
NAME_COLUMNS = ("class_name", "name", "label_name", "class", "label")


@dataclasses.dataclass(frozen=True)
class Classes:
    """The classes, in the order in which logits and probabilities have them.

    Attributes:
        targets: what stands in the target column for each.
        names: their names.
    """

    targets: tuple[str, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)


@contextlib.contextmanager
def explained(path: Path, expected: str) -> Iterator[None]:
    """Make one line of why a text file cannot be read, with what was expected."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {expected}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder; {expected}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None


def read_table(path: Path, columns: "tuple[str, ...]", optional: "tuple[str, ...]" = ("fold",)) -> pd.DataFrame:
    """Read columns of a CSV file as text: `NA` and `1e3` are what they are.

    Args:
        path: the file.
        columns: those that it must have, with a value in each row.
        optional: those that it may have, whose values may be empty.

    Returns:
        The columns that are there, indexed by the line on which a row starts.

    Raises:
        InputError: missing, not UTF-8, not CSV, without one of the columns, or with a value of them empty.
    """
    expected = f"expected a CSV file with columns {', '.join(columns)}"
    rows: dict[int, list[str]] = {}
    line = 1
    try:
        with explained(path, expected), path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            header = [compose_name(name.strip()) for name in next(reader, [])]
            places = find_columns(path, header, columns, optional)
            line = reader.line_num + 1
            for row in reader:
                if len(row) > len(header):
                    raise InputError(f"{path}:{line}: {len(row)} values, more than the {len(header)} columns of line 1")
                if row:
                    rows[line] = [row[place].strip() if place < len(row) else "" for place in places.values()]
                line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: not CSV: {error}") from None
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(places), dtype=object)
    for column in columns:
        if (empty := table.index[table[column] == ""]).size:
            raise InputError(f"{path}:{empty[0]}: {column} is empty")
    return table


def find_columns(
    path: Path, header: list[str], columns: "tuple[str, ...]", optional: "tuple[str, ...]"
) -> dict[str, int]:
    """Places of the columns, and of the optional ones that are there.

    Raises:
        InputError: a column is missing, or there twice.
    """
    places = {}
    for column in dict.fromkeys((*columns, *optional)):
        if (count := header.count(compose_name(column))) > 1:
            raise InputError(f"{path}:1: column {column!r} is there {count} times")
        if count:
            places[column] = header.index(compose_name(column))
        elif column in columns:
            raise InputError(f"{path}: no column {column!r}; there are {some(header)}")
    return places


def some(names: "list[str] | tuple[str, ...]") -> str:
    more = f" and {len(names) - CHOICES_SHOWN} more" if len(names) > CHOICES_SHOWN else ""
    return (", ".join(names[:CHOICES_SHOWN]) or "none") + more


def refuse_repeated(path: Path, table: pd.DataFrame, column: str) -> None:
    """Refuse two rows with one value, however its accents are composed.

    Raises:
        InputError: names both lines.
    """
    values = table[column].map(compose_name)
    if (again := table.index[values.duplicated()]).size:
        first = table.index[values == values[again[0]]][0]
        raise InputError(f"{path}:{again[0]}: {column} {table.loc[again[0], column]!r} is already on line {first}")


def read_classes(path: Path, target_column: str) -> Classes:
    """Read meta.csv: classes in the order of their targets where those are numbers, else in the file's.

    Raises:
        InputError: a column missing, a target or a class name twice, fewer than two classes.
    """
    columns = class_columns(path, target_column)
    table = read_table(path, columns)
    for column in dict.fromkeys(columns):
        refuse_repeated(path, table, column)
    return order_classes(path, table[columns[0]].tolist(), table[columns[1]].tolist())


def class_columns(path: Path, target_column: str) -> tuple[str, str]:
    """Recognise the columns of targets and of names: by their usual names, or as the other one of two columns.

    Where only one column is there, its values are targets and names.
    """
    header = read_header(path)
    targets = [name for name in (target_column, *TARGET_COLUMNS) if compose_name(name) in header]
    names = [name for name in NAME_COLUMNS if name in header and compose_name(target_column) != name]
    target, name = next(iter(targets), None), next((each for each in names if each not in targets[:1]), None)
    rest = [each for each in header if each not in (target, name)]
    if len(header) == 1 and (target or name):
        return header[0], header[0]
    if len(header) == 2 and len(rest) == 1 and (target or name) and "" not in header:
        target, name = (target or rest[0]), (name or rest[0])
    return target or target_column, name or "class_name"


def read_header(path: Path) -> list[str]:
    """Names of the columns, as `read_table` compares them; none where the file cannot be read: it says why."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [
                compose_name(name.strip()) for name in next(csv.reader(file, skipinitialspace=True, strict=True), [])
            ]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def order_classes(path: Path, targets: list[str], names: list[str]) -> Classes:
    """Put classes into the order of their targets where those are numbers, else leave theirs.

    Raises:
        InputError: fewer than two; the line starts with `path`.
    """
    if len(targets) < 2:
        raise InputError(f"{path}: {len(targets)} classes; expected at least 2")
    pairs = list(zip(targets, names, strict=True))
    if all(NUMBER.fullmatch(target) for target, _ in pairs):
        pairs.sort(key=lambda pair: int(pair[0]))
    ordered_targets, ordered_names = zip(*pairs, strict=True)
    return Classes(ordered_targets, ordered_names)


def places_of(classes: Classes) -> dict[str, int]:
    """Index of each class by its composed target."""
    return {compose_name(target): index for index, target in enumerate(classes.targets)}


def read_labels(path: Path, id_column: str, target_column: str, classes: Classes) -> pd.DataFrame:
    """Read a table of labels.

    Returns:
        Columns id and target (index of the class); and fold (int) where the file has one. Indexed by line.

    Raises:
        InputError: a column missing, an id twice, an unknown class, a fold that is no number, no row at all.
    """
    return match_classes(path, read_label_texts(path, id_column, target_column), classes, "meta.csv")


def read_label_texts(path: Path, id_column: str, target_column: str) -> pd.DataFrame:
    """Read a table of labels, and leave these as they are.

    Returns:
        Columns id and label (text); and fold (int) where the file has one. Indexed by line.

    Raises:
        InputError: a column missing, an id twice, a fold that is no number, no row at all.
    """
    table = read_table(path, (id_column, target_column))
    if table.empty:
        raise InputError(f"{path}: no rows; expected one a page")
    refuse_repeated(path, table, id_column)
    labels = pd.DataFrame({"id": table[id_column], "label": table[target_column]})
    if "fold" in table:
        for line, fold in table["fold"].items():
            if not FOLD.fullmatch(fold):
                raise InputError(f"{path}:{line}: fold {fold!r}; expected a whole number from 0")
        labels["fold"] = table["fold"].astype(int)
    return labels


def match_classes(path: Path, labels: pd.DataFrame, classes: Classes, source: str) -> pd.DataFrame:
    """Put the index of its class, `target`, in the place of each label's text.

    Args:
        path: what the labels were read from, for the error.
        labels: column label, indexed by line.
        classes: known by their targets.
        source: what the classes were read from, for the error.

    Raises:
        InputError: an unknown class.
    """
    places = {compose_name(target): index for index, target in enumerate(classes.targets)}
    for line, label in labels["label"].items():
        if compose_name(label) not in places:
            raise InputError(f"{path}:{line}: class {label!r} is not in {source}, which has {some(classes.targets)}")
    targets = [places[compose_name(label)] for label in labels["label"]]
    matched = labels.rename(columns={"label": "target"})
    matched["target"] = targets
    return matched
