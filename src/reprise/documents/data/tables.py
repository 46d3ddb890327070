"""The CSV files of a documents folder, checked row by row."""

import dataclasses
from pathlib import Path

import pandas as pd

from reprise.core.errors import InputError


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

    def index(self, target: str, where: str) -> int:
        """Position of a target.

        Raises:
            InputError: meta.csv lacks it; the line starts with `where`.
        """
        if target not in self.targets:
            raise InputError(f"{where}: class {target!r} is not in meta.csv, which has {', '.join(self.targets)}")
        return self.targets.index(target)


def read_table(path: Path, columns: "tuple[str, ...]") -> pd.DataFrame:
    """Read a CSV file as text, with its line numbers as the index.

    Raises:
        InputError: missing, not UTF-8, not CSV, without one of the columns, or with a value of them empty.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a CSV file with columns {', '.join(columns)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not CSV: {' '.join(str(error).split())}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes what is too much at the start for the index
        raise InputError(f"{path}:2: more values than the {len(table.columns)} columns of line 1")
    table.index += 2  # line 1 has the names of the columns
    for column in columns:
        if column not in table:
            raise InputError(f"{path}: no column {column!r}; there are {', '.join(table.columns)}")
        table[column] = table[column].fillna("").str.strip()  # rows may be short
        if (empty := table.index[table[column] == ""]).size:
            raise InputError(f"{path}:{empty[0]}: {column} is empty")
    return table


def refuse_repeated(path: Path, table: pd.DataFrame, column: str) -> None:
    """Refuse two rows with one value.

    Raises:
        InputError: names both lines.
    """
    if (again := table.index[table[column].duplicated()]).size:
        value = table.loc[again[0], column]
        first = table.index[table[column] == value][0]
        raise InputError(f"{path}:{again[0]}: {column} {value!r} stands in line {first} already")


def read_classes(path: Path, target_column: str) -> Classes:
    """Read meta.csv: classes in the order of their targets where those are numbers, else in the file's.

    Raises:
        InputError: a column missing, a target twice, fewer than two classes.
    """
    table = read_table(path, (target_column, "class_name"))
    refuse_repeated(path, table, target_column)
    if len(table) < 2:
        raise InputError(f"{path}: {len(table)} classes; expected at least 2")
    if table[target_column].str.fullmatch(r"\d+").all():
        table = table.loc[table[target_column].astype(int).sort_values().index]
    return Classes(tuple(table[target_column]), tuple(table["class_name"]))


def read_labels(path: Path, id_column: str, target_column: str, classes: Classes) -> pd.DataFrame:
    """Read a table of labels.

    Returns:
        Columns id and target (index of the class); and fold (int) where the file has one. Indexed by line.

    Raises:
        InputError: a column missing, an id twice, an unknown class, a fold that is no number, no row at all.
    """
    table = read_table(path, (id_column, target_column))
    if table.empty:
        raise InputError(f"{path}: no rows; expected one a page")
    refuse_repeated(path, table, id_column)
    labels = pd.DataFrame({"id": table[id_column]})
    labels["target"] = [classes.index(target, f"{path}:{line}") for line, target in table[target_column].items()]
    if "fold" in table:
        for line, fold in table["fold"].items():
            if not fold.strip().isdecimal():
                raise InputError(f"{path}:{line}: fold {fold!r}; expected a whole number from 0")
        labels["fold"] = table["fold"].astype(int)
    return labels
