"""Texts for each class, written by templates from its name, its parents' names and its keywords.

Keywords, which may be whole sentences, also count by themselves: each is a text like a document of the class.
"""

import itertools
import string
from collections.abc import Collection, Sequence

import numpy as np

from reprise.taxonomy.data.hierarchy import Hierarchy

FIELDS = ("name", "parent", "keywords")


def check_template(template: str, fields: Collection[str] = FIELDS) -> str:
    """Refuse a template that cannot be filled, or that makes the same text for every class.

    Args:
        template: such as "{parent}: {name}".
        fields: the names that it may hold in braces; `name` is one that it must hold.

    Returns:
        The template.

    Raises:
        ValueError: says what is wrong, for a field of a `Params` class.
    """
    expected = f"expected text with {', '.join(f'{{{field}}}' for field in fields)}"
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{error}; {expected}") from None
    found = [field for _, field, _, _ in parts if field is not None]
    if unknown := [field for field in found if field not in fields]:
        raise ValueError(f"{{{unknown[0]}}} is no field of a template; {expected}")
    if any(conversion or specification for _, _, specification, conversion in parts):
        raise ValueError(f"a field has a conversion or a format; {expected}")
    if "name" not in found:
        raise ValueError(f"no {{name}}; {expected}")
    return template


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


def add_keywords(classes: np.ndarray, keywords: np.ndarray, hierarchy: Hierarchy, weight: float) -> np.ndarray:
    """Move the embeddings of the classes toward those of their keywords.

    Args:
        classes: (C, D), unit rows.
        keywords: (K, D), the keywords of all classes one after the other, unit rows.
        hierarchy: C classes with K keywords in all.
        weight: of the mean of a class's keywords; the class's own embedding has 1.

    Returns:
        (C, D) float32, unit rows.
    """
    moved, start = classes.copy(), 0
    for index, own in enumerate(hierarchy.keywords):
        if own:
            moved[index] += weight * keywords[start : start + len(own)].mean(axis=0)
            start += len(own)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


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
