"""Check the corpus and the class hierarchy, and bring them into the form that the later stages read.

    python src/run.py taxonomy.prepare

Reads the folder `taxonomy.data` but not its labels; writes data/taxonomy/prepared/{hierarchy.json,train.parquet,
test.parquet} and metrics/taxonomy/data.json. Seconds for 50,000 documents.
"""

import logging
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from reprise.core.files import write_json, write_parquet
from reprise.core.params import Params, load_params, load_value
from reprise.core.stage import timed
from reprise.taxonomy.data.corpus import read_corpus
from reprise.taxonomy.data.hierarchy import Hierarchy, read_hierarchy

logger = logging.getLogger("reprise")

PREPARED = Path("data/taxonomy/prepared")
METRICS = Path("metrics/taxonomy/data.json")
TIMING = Path("metrics/taxonomy/timing/prepare.json")


class PrepareParams(Params):
    """Params taxonomy.prepare."""

    empty_text: Literal["refuse", "keep"]
    near_empty_words: int  # texts with fewer words are counted as near-empty


def main() -> None:
    """Run the stage."""
    section = load_params("taxonomy.prepare", PrepareParams)
    folder = Path(load_value("taxonomy.data"))
    with timed(TIMING):
        hierarchy = read_hierarchy(folder)
        corpora = {}
        for split in ("train", "test"):
            corpora[split] = read_corpus(folder / f"{split}_corpus.txt", section.empty_text)
            corpora[split]["text"] = corpora[split]["text"].map(normalise_text)
        for split, corpus in corpora.items():
            write_parquet(PREPARED / f"{split}.parquet", corpus)
        write_json(PREPARED / "hierarchy.json", hierarchy.to_dict())
        write_json(METRICS, statistics(hierarchy, corpora, section.near_empty_words))
    for split, corpus in corpora.items():
        logger.info("%s: %d documents", split, len(corpus))
    logger.info("%d classes on %d levels, %d leaves", len(hierarchy), hierarchy.levels.max(), len(hierarchy.leaves))


def normalise_text(text: str) -> str:
    """Compose characters (NFC), since encoders know them composed, and make every run of white space one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def statistics(hierarchy: Hierarchy, corpora: dict[str, pd.DataFrame], near_empty_words: int) -> dict[str, Any]:
    """Describe the data: what a person would want to know before trusting a result on it."""
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
        "classes_whose_names_read_alike": sum(n for n in Counter(hierarchy.names).values() if n > 1),
    }


def corpus_statistics(texts: pd.Series, near_empty_words: int) -> dict[str, Any]:
    """Describe a corpus: counts, and lengths in characters and words."""
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
