"""The labels of the test pages, which the evaluation alone reads.

They are read without the libraries that score: `reprise check` looks at them, too.
"""

from collections.abc import Sequence
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.documents.data.images import FileNames
from reprise.documents.data.layouts import read_label_file
from reprise.documents.data.tables import Classes, match_classes


def read_test_labels(path: Path, ids: Sequence[str], classes: Classes, columns: tuple[str, str]) -> list[int]:
    """Read the class of every test page, in the order of `ids`.

    Raises:
        InputError: a label for no test page, two for one, a page without one, or what the reader of the file says.
    """
    labels = match_classes(path, read_label_file(path, columns, ""), classes, "meta.csv")
    names = FileNames(ids)
    by_id: dict[str, int] = {}
    for identifier, target in zip(labels["id"], labels["target"], strict=True):
        found = names.find(identifier) or names.find(identifier.partition("/")[2])  # an index names the folder, too
        if len(found) != 1:
            problem = "could be several test pages" if found else "is not a test page"
            raise InputError(f"{path}: label for {identifier!r}, which {problem}")
        if found[0] in by_id:
            raise InputError(f"{path}: second label for {identifier!r}")
        by_id[found[0]] = target
    if missing := sorted(set(ids) - by_id.keys()):
        raise InputError(f"{path}: {len(missing)} test pages have no label, such as {missing[0]!r}")
    return [by_id[identifier] for identifier in ids]


def labels_of_folders(ids: Sequence[str], classes: Classes) -> list[int] | None:
    """Read the classes of test pages off their folders, `test/<class>/page.jpg`; None unless all lie in such ones."""
    places = {compose_name(name): index for index, name in enumerate(classes.names)}
    places |= {compose_name(target): index for index, target in enumerate(classes.targets)}
    folders = [compose_name(identifier).partition("/") for identifier in ids]
    if not ids or not all(slash and folder in places for folder, slash, _ in folders):
        return None
    return [places[folder] for folder, _, _ in folders]
