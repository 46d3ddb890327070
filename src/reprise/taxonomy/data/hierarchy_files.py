"""A person's files of classes, edges and keywords, read into a `Hierarchy`."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.layout import recognise
from reprise.taxonomy.data.lines import read_lines, read_name, read_pairs, shorten

COLON = re.compile(r"\s*:")


def read_hierarchy(folder: Path) -> Hierarchy:
    """Read and check a folder's files of classes, of edges and, where there are any, of keywords, in either layout.

    A file of edges that is empty or missing makes a flat list of classes. A doubled edge is taken once.

    Raises:
        InputError: fewer than two classes, a duplicate id or name, an empty name, an edge to an unknown class or to
            itself, a cycle, keywords for an unknown name.
    """
    layout = recognise(folder)
    raw_names = _read_classes(layout.classes)
    ids = tuple(raw_names)
    indices = {identifier: index for index, identifier in enumerate(ids)}
    edges = _read_edges(layout.hierarchy, indices, layout.classes.name)
    names = list(raw_names.values())
    by_file = [_read_keywords(path, names, layout.classes.name) for path in layout.keywords]
    keywords = tuple(tuple(dict.fromkeys(itertools.chain(*own))) for own in zip(*by_file, strict=True))
    hierarchy = Hierarchy(ids, tuple(as_words(name) for name in names), keywords, tuple(edges))
    hierarchy.refuse_cycles(str(layout.hierarchy))
    return hierarchy


def as_words(name: str) -> str:
    """Read underscores and hyphens as spaces."""
    return " ".join(re.sub(r"[_-]", " ", name).split()) or name


def _read_classes(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    lines: dict[str, int] = {}
    name_lines: dict[str, int] = {}
    for number, identifier, value in read_pairs(path, "id<TAB>name"):
        name, shown = read_name(value, f"{path}:{number}"), shorten(identifier)
        if identifier in names:
            raise InputError(f"{path}:{number}: duplicate class id {shown!r}, first on line {lines[identifier]}")
        if "," in identifier:
            raise InputError(
                f"{path}:{number}: class id {shown!r} holds a comma, which parts the ids in files of labels"
            )
        if not name:
            raise InputError(f"{path}:{number}: class {shown!r} has an empty name; expected id<TAB>name")
        if name in name_lines:
            raise InputError(
                f"{path}:{number}: duplicate class name {shorten(name)!r}, first on line {name_lines[name]}"
            )
        names[identifier], lines[identifier], name_lines[name] = name, number, number
    if not names:
        raise InputError(f"{path}: no classes; expected lines of id<TAB>name")
    if len(names) == 1:  # nothing to tell apart, and no score of a classifier is defined
        raise InputError(
            f"{path}: one class, {shorten(next(iter(names)))!r}; expected at least two lines of id<TAB>name"
        )
    return names


def _read_edges(path: Path, indices: dict[str, int], source: str) -> list[tuple[int, int]]:
    if not path.exists():
        return []
    edges: dict[tuple[int, int], None] = {}
    for number, parent, value in read_pairs(path, "parent id<TAB>child id"):
        child = read_name(value, f"{path}:{number}")
        for identifier in (parent, child):
            if identifier not in indices:
                raise InputError(f"{path}:{number}: class id {shorten(identifier)!r} is not in {source}")
        if parent == child:
            raise InputError(f"{path}:{number}: class {shorten(parent)!r} is its own parent")
        edges[indices[parent], indices[child]] = None
    return list(edges)


def _read_keywords(path: Path, names: Sequence[str], source: str) -> tuple[tuple[str, ...], ...]:
    """Read `name:keyword,keyword`; where a name contains colons, the longest known name before a colon counts."""
    if not path.exists():
        return ((),) * len(names)
    known, lengths = set(names), sorted({len(name) for name in names}, reverse=True)
    keywords: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    for number, line in read_lines(path):
        text = compose_name(line.strip())
        if ":" not in text:
            raise InputError(f"{path}:{number}: no colon; expected name:keyword,keyword")
        # By length, not by colon: a line may hold a million colons, but names have few lengths.
        heads = (text[:length] for length in lengths if COLON.match(text, length))
        name = next((head for head in heads if head in known), None)
        if name is None:
            raise InputError(f"{path}:{number}: {shorten(text.partition(':')[0].strip())!r} is not a name in {source}")
        if name in keywords:
            raise InputError(
                f"{path}:{number}: second line of keywords for {shorten(name)!r}, first on line {lines[name]}"
            )
        words = text[len(name) :].lstrip().removeprefix(":").split(",")
        keywords[name], lines[name] = tuple(as_words(word.strip()) for word in words if word.strip()), number
    return tuple(keywords.get(name, ()) for name in names)
