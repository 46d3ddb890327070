"""Small hierarchies that tests share, and their ancestors found by recursion."""

import numpy as np

from reprise.taxonomy.data.hierarchy import Hierarchy


def tree(branches: int, levels: int) -> Hierarchy:
    """A tree in which every inner class has `branches` children."""
    edges, level, count = [], list(range(branches)), branches
    for _ in range(levels - 1):
        children = []
        for parent in level:
            for _ in range(branches):
                edges.append((parent, count))
                children.append(count)
                count += 1
        level = children
    ids = tuple(str(index) for index in range(count))
    return Hierarchy(ids, ids, ((),) * count, tuple(edges))


def random_hierarchy(seed: int, count: int = 12) -> Hierarchy:
    """A random graph without cycles: each class has up to 3 parents among the classes before it."""
    generator = np.random.default_rng(seed)
    edges = []
    for child in range(2, count):
        parents = generator.choice(child, size=int(generator.integers(0, min(4, child))), replace=False)
        edges += [(int(parent), child) for parent in sorted(parents)]
    ids = tuple(str(index) for index in range(count))
    return Hierarchy(ids, tuple(f"class {name}" for name in ids), ((),) * count, tuple(edges))


def naive_ancestors(hierarchy: Hierarchy, index: int) -> set[int]:
    return {index}.union(*(naive_ancestors(hierarchy, parent) for parent, child in hierarchy.edges if child == index))


def naive_paths(hierarchy: Hierarchy, index: int) -> list[tuple[int, ...]]:
    """All ways from a root down to a class, itself included."""
    if not hierarchy.parents[index]:
        return [(index,)]
    return [(*path, index) for parent in hierarchy.parents[index] for path in naive_paths(hierarchy, parent)]
