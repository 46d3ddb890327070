"""Texts for each class, written by templates from its name, its parents' names and its keywords."""

import itertools
from collections.abc import Sequence

import numpy as np

from reprise.taxonomy.data.hierarchy import Hierarchy


def class_texts(hierarchy: Hierarchy, templates: Sequence[str]) -> list[list[str]]:
    """Write each class by every template that it can fill.

    A template with {parent} gives one text per parent and none for a class without; one with {keywords} none for
    a class without keywords.

    Args:
        hierarchy: C classes.
        templates: such as "{parent}: {name}".

    Returns:
        C lists of texts, none empty: a class that fits no template has its name.
    """
    return [_texts_of(hierarchy, index, templates) for index in range(len(hierarchy.ids))]


def _texts_of(hierarchy: Hierarchy, index: int, templates: Sequence[str]) -> list[str]:
    name, keywords = hierarchy.names[index], ", ".join(hierarchy.keywords[index])
    parents = [hierarchy.names[parent] for parent in hierarchy.parents[index]]
    texts: list[str] = []
    for template in templates:
        if "{keywords}" in template and not keywords:
            continue
        fitting = parents if "{parent}" in template else [""]
        texts += [template.format(name=name, parent=parent, keywords=keywords) for parent in fitting]
    return texts or [name]


def mean_per_class(embeddings: np.ndarray, texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Average the embeddings of each class's texts and scale the mean to norm 1.

    Args:
        embeddings: (T, D), the texts of all classes one after the other.
        texts: C lists, T texts in all.

    Returns:
        (C, D) float32.
    """
    starts = list(itertools.accumulate((len(own) for own in texts[:-1]), initial=0))
    means = np.add.reduceat(embeddings, starts, axis=0) / np.array([[len(own)] for own in texts])  # (C, D)
    return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
