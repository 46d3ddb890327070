"""The class hierarchy: a directed acyclic graph, in which a class may have several parents."""

import dataclasses
import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, StrictInt

from reprise.core.errors import InputError
from reprise.core.files import read_json
from reprise.core.params import Params, parse_params
from reprise.core.text import for_terminal
from reprise.taxonomy.data.lines import MOST_CHARACTERS

CYCLE_SHOWN = 8  # classes of a cycle that an error names


@dataclasses.dataclass(frozen=True)
class _Step:
    """The end of a path from a root: its last class, and the path up to that."""

    score: float
    node: int
    before: "_Step | None"

    def path(self) -> tuple[int, ...]:
        nodes: list[int] = []
        step: _Step | None = self
        while step is not None:
            nodes.append(step.node)
            step = step.before
        return tuple(reversed(nodes))


@dataclasses.dataclass(frozen=True)
class Hierarchy:
    """C classes and the edges between them.

    Attributes:
        ids: in the order of classes.txt, which is the order of the columns of every matrix.
        names: as words: underscores and hyphens read as spaces.
        keywords: further words for each class; mostly none.
        edges: (parent, child) as indices of classes.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    keywords: tuple[tuple[str, ...], ...]
    edges: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What a class is called in tables and pictures: its name, with its id where others have the same name."""
        count = Counter(self.names)
        return tuple(
            name if count[name] == 1 else f"{name} ({identifier})"
            for name, identifier in zip(self.names, self.ids, strict=True)
        )

    @cached_property
    def parents(self) -> tuple[tuple[int, ...], ...]:
        """Parents of each class, ascending."""
        return self._neighbours(end=0)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Children of each class, ascending."""
        return self._neighbours(end=1)

    def _neighbours(self, end: int) -> tuple[tuple[int, ...], ...]:
        lists: list[list[int]] = [[] for _ in self.ids]
        for edge in self.edges:
            lists[edge[1 - end]].append(edge[end])
        return tuple(tuple(sorted(own)) for own in lists)

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """Classes without a parent: the top level."""
        return tuple(index for index, own in enumerate(self.parents) if not own)

    @cached_property
    def leaves(self) -> np.ndarray:
        """(E,) indices of the classes without a child, ascending."""
        return np.array([index for index, own in enumerate(self.children) if not own], dtype=np.int64)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All classes, parents before their children."""
        return tuple(TopologicalSorter(dict(enumerate(self.parents))).static_order())

    @cached_property
    def levels(self) -> np.ndarray:
        """(C,) level of each class: 1 for a root, else one below its highest parent."""
        return self._one_below(min)

    @cached_property
    def depths(self) -> np.ndarray:
        """(C,) depth of each class: 1 for a root, else one below its deepest parent, and so below all its ancestors."""
        return self._one_below(max)

    def _one_below(self, choose: Callable[[Iterable[int]], int]) -> np.ndarray:
        """(C,) 1 for a root, else one more than what is chosen of the parents' values."""
        values = [1] * len(self)
        for index in self.order:
            if self.parents[index]:
                values[index] = 1 + choose(values[parent] for parent in self.parents[index])
        return np.array(values, dtype=np.int64)

    @cached_property
    def closure(self) -> np.ndarray:
        """(C, C) bool: [c, a] says that a is c itself or an ancestor of c."""
        closure = np.eye(len(self), dtype=bool)
        for index in self.order:
            for parent in self.parents[index]:
                closure[index] |= closure[parent]
        return closure

    def best_paths(self, index: int, probabilities: np.ndarray, count: int) -> list[tuple[int, ...]]:
        """The best ways from a root down to a class, itself included, best first.

        A path's score is the product of its classes' probabilities, as TaxoClass's path score is of similarities
        (Shen et al., NAACL 2021, section 3.2). Only the best paths to each ancestor are kept, so that the cost grows
        with nodes and edges, and not with the number of paths, which may double with every level.

        Args:
            index: the class.
            probabilities: (C,).
            count: paths at most.
        """
        logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).tolist()
        kept: dict[int, list[_Step]] = {}
        for node in self.order:
            if self.closure[index, node]:
                before = [step for parent in self.parents[node] for step in kept[parent]]
                steps = [_Step(step.score + logs[node], node, step) for step in before]
                steps = steps or [_Step(logs[node], node, None)]
                kept[node] = heapq.nlargest(count, steps, key=lambda step: step.score)
        return [step.path() for step in kept[index]]

    def close_upwards(self, sets: np.ndarray) -> np.ndarray:
        """Add the ancestors of its classes to each row of an (N, C) bool matrix."""
        closed = sets.copy()
        for index in reversed(self.order):
            for parent in self.parents[index]:
                closed[:, parent] |= closed[:, index]
        return closed

    def drop_ancestors(self, sets: np.ndarray) -> np.ndarray:
        """Keep of each row of an (N, C) bool matrix the classes that have no descendant in the row."""
        above = self.closure & ~np.eye(len(self), dtype=bool)  # [c, a]: a is an ancestor of c
        covered: np.ndarray = sets.astype(np.float32) @ above.astype(np.float32) > 0
        return sets & ~covered

    def best_of_descendants(self, scores: np.ndarray) -> np.ndarray:
        """Raise each class's score to that of the best of its descendants: (N, C), NaN only where all are NaN."""
        best = np.array(scores, dtype=np.float32)
        for index in reversed(self.order):
            for parent in self.parents[index]:
                np.fmax(best[:, parent], best[:, index], out=best[:, parent])
        return best

    def to_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        return {
            "classes": [
                {"id": identifier, "name": name, "keywords": list(keywords)}
                for identifier, name, keywords in zip(self.ids, self.names, self.keywords, strict=True)
            ],
            "edges": [list(edge) for edge in self.edges],
        }

    @classmethod
    def from_dict(cls, values: Any, where: str) -> "Hierarchy":
        """Inverse of `to_dict`, for files that may come from strangers; `where` starts the line of an error.

        Raises:
            InputError: not what `to_dict` makes, a duplicate id, an edge to no class or to itself, or a cycle.
        """
        described = parse_params(values, _HierarchyDescription, where)
        hierarchy = cls(
            ids=tuple(entry.id for entry in described.classes),
            names=tuple(entry.name for entry in described.classes),
            keywords=tuple(tuple(entry.keywords) for entry in described.classes),
            edges=tuple(described.edges),
        )
        if len(set(hierarchy.ids)) < len(hierarchy):
            raise InputError(f"{where}: two classes have one id")
        if not all(0 <= end < len(hierarchy) for edge in hierarchy.edges for end in edge):
            raise InputError(f"{where}: an edge to a class that is not there")
        if len(set(hierarchy.edges)) < len(hierarchy.edges) or any(
            parent == child for parent, child in hierarchy.edges
        ):
            raise InputError(f"{where}: an edge that is there twice, or from a class to itself")
        hierarchy.refuse_cycles(where)
        return hierarchy

    def refuse_cycles(self, where: str) -> None:
        """Check that no class is its own ancestor; `where` starts the line of an error.

        Raises:
            InputError: the edges form a cycle.
        """
        try:
            _ = self.order
        except CycleError as error:
            cycle = [f"{self.ids[index]} ({self.names[index]})" for index in error.args[1]]
            shown = " -> ".join([*cycle[:CYCLE_SHOWN], *(["…"] if len(cycle) > CYCLE_SHOWN else [])])
            raise InputError(f"{where}: the edges form a cycle: {for_terminal(shown)}") from None


class _ClassDescription(Params):
    id: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    name: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    keywords: list[str]


class _HierarchyDescription(Params):
    classes: Annotated[list[_ClassDescription], Field(min_length=1)]
    edges: list[tuple[StrictInt, StrictInt]]


def load_hierarchy(path: Path) -> Hierarchy:
    """Read the JSON of `Hierarchy.to_dict`, as `taxonomy-prepare` writes it.

    Raises:
        InputError: the file is missing, or holds something else.
    """
    return Hierarchy.from_dict(read_json(path), str(path))
