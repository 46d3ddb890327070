"""Counts and lengths of a corpus and a hierarchy, to look at before trusting a result on them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reprise.taxonomy.data.hierarchy import Hierarchy


def data_statistics(
    hierarchy: Hierarchy, corpora: Mapping[str, pd.DataFrame], seeds: np.ndarray, near_empty_words: int
) -> dict[str, Any]:
    """Describe both corpora, `train` and `test`, and the hierarchy.

    Args:
        hierarchy: the classes.
        corpora: tables of doc_id and text.
        seeds: (N, C) bool, classes of the training documents that a person labelled.
        near_empty_words: texts with fewer words are counted as near-empty.
    """
    known = set(corpora["train"]["text"])
    return {
        **{split: corpus_statistics(corpus["text"], near_empty_words) for split, corpus in corpora.items()},
        "test_texts_in_train": int(corpora["test"]["text"].isin(known).sum()),
        "classes": len(hierarchy),
        "classes_per_level": {str(level): int(n) for level, n in sorted(Counter(hierarchy.levels.tolist()).items())},
        "leaves": len(hierarchy.leaves),
        "edges": len(hierarchy.edges),
        "classes_with_several_parents": sum(len(parents) > 1 for parents in hierarchy.parents),
        "classes_with_keywords": sum(bool(keywords) for keywords in hierarchy.keywords),
        "seed_documents": int(seeds.any(axis=1).sum()),
        "classes_with_seed_documents": int(seeds.any(axis=0).sum()),
        "classes_whose_names_read_alike": sum(n for n in Counter(hierarchy.names).values() if n > 1),
    }


def corpus_statistics(texts: pd.Series, near_empty_words: int) -> dict[str, Any]:
    """Count a corpus's documents and describe their lengths in characters and words."""
    words = texts.map(lambda text: len(text.split()))
    return {
        "documents": len(texts),
        "empty_texts": int((words == 0).sum()),
        "near_empty_texts": int((words < near_empty_words).sum()),
        "repeated_texts": int(texts.duplicated().sum()),
        "characters": length_statistics(texts.str.len().to_numpy()),
        "words": length_statistics(words.to_numpy()),
    }


def length_statistics(lengths: np.ndarray) -> dict[str, float]:
    """Minimum, median, mean, 95 % quantile and maximum."""
    return {
        "min": int(lengths.min()),
        "median": float(np.median(lengths)),
        "mean": round(float(lengths.mean()), 2),
        "quantile_95": float(np.quantile(lengths, 0.95)),
        "max": int(lengths.max()),
    }
