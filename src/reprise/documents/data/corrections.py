"""What a person said of labels: label_corrections.csv beside train.csv, which stays as it is.

A row is about one page of train.csv. Its decision is

- `keep`: the label is right;
- `change`: the label is the row's target;
- `unsure`: nobody knows; the label stays.

`keep` and `change` settle a page: it is no suspect any more.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.documents.data.tables import Classes, places_of, read_table, refuse_repeated, some

FILE = "label_corrections.csv"
DECISIONS = ("keep", "change", "unsure")
SETTLED = ("keep", "change")
NO_TARGET = -1


def read_corrections(path: Path, id_column: str, target_column: str, classes: Classes) -> pd.DataFrame:
    """Read the decisions of a person; without such a file there are none.

    Returns:
        Columns id, decision and target (index of the class, NO_TARGET but for `change`), indexed by line.

    Raises:
        InputError: not CSV, a column missing, a page twice, an unknown decision or class, `change` without a target,
            another decision with one.
    """
    if not path.exists():
        return pd.DataFrame({"id": [], "decision": [], "target": np.zeros(0, int)})
    table = read_table(path, (id_column, "decision"), optional=(target_column,))
    refuse_repeated(path, table, id_column)
    if target_column not in table:
        table[target_column] = ""
    places = places_of(classes)
    targets = []
    for line, decision, target in table[["decision", target_column]].itertuples():
        check_decision(f"{path}:{line}", decision, target, target_column, classes)
        targets.append(places[compose_name(target)] if target else NO_TARGET)
    return pd.DataFrame({"id": table[id_column], "decision": table["decision"], "target": np.array(targets, dtype=int)})


def check_decision(where: str, decision: str, target: str, target_column: str, classes: Classes) -> None:
    """Check one decision; `where` starts the line of an error.

    Raises:
        InputError: an unknown decision or class, `change` without a target, or another decision with one.
    """
    if decision not in DECISIONS:
        raise InputError(f"{where}: decision {decision!r}; expected {', '.join(DECISIONS)}")
    if (decision == "change") != bool(target):
        expected = "expected the right class" if decision == "change" else "expected it empty"
        raise InputError(f"{where}: {decision} with {target_column} {target!r}; {expected}")
    if target and compose_name(target) not in places_of(classes):
        raise InputError(f"{where}: class {target!r} is not in meta.csv, which has {some(classes.targets)}")


def apply_corrections(
    path: Path, labels: pd.DataFrame, corrections: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Change the labels that a person changed.

    Args:
        path: of the corrections, for errors.
        labels: columns id and target.
        corrections: as `read_corrections` gives them.

    Returns:
        The labels, and counts: of each decision, and of the labels that are others now.

    Raises:
        InputError: a correction of a page that train.csv lacks.
    """
    rows = {compose_name(name): row for row, name in enumerate(labels["id"])}
    targets = labels["target"].to_numpy(copy=True)
    for line, name, _, target in corrections[["id", "decision", "target"]].itertuples():
        if compose_name(name) not in rows:
            raise InputError(f"{path}:{line}: {name!r} is not in train.csv")
        if target != NO_TARGET:
            targets[rows[compose_name(name)]] = target
    counts = {decision: int((corrections["decision"] == decision).sum()) for decision in DECISIONS}
    counts["labels_changed"] = int((targets != labels["target"].to_numpy()).sum())
    return labels.assign(target=targets), counts


def settled_pages(corrections: pd.DataFrame) -> set[str]:
    """Composed ids of the pages whose label a person has settled."""
    return set(corrections.loc[corrections["decision"].isin(SETTLED), "id"].map(compose_name))
