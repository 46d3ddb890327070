"""Decide which classes each training document is surely about: the silver labels.

    python src/run.py taxonomy.core_classes

Reads data/taxonomy/{prepared,similarity,embeddings}; writes data/taxonomy/silver/core_classes.parquet (each document's
core classes), data/taxonomy/silver/posterior.npy (soft targets over the leaves) and
metrics/taxonomy/core_classes.json. Seconds; linear in documents.

Two rules: `refined`, see src/taxonomy/refine.py; and `paper`, TaxoClass's (Shen et al., NAACL 2021, section 3.3):
among a document's candidates (src/taxonomy/candidates.py), confidence = similarity minus the best of the class's
parents and siblings, kept where it is at or above the class's median.
"""

import functools
import logging
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from reprise.core.files import read_json, read_npy, read_parquet, write_json, write_npy, write_parquet
from reprise.core.params import Hardware, Params, load_params
from reprise.core.seed import limit_threads
from reprise.core.stage import timed
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.candidates import search_top_down
from reprise.taxonomy.zero_shot.refine import RefineParams, refine_posterior, softmax

logger = logging.getLogger("reprise")

PREPARED = Path("data/taxonomy/prepared")
EMBEDDINGS = Path("data/taxonomy/embeddings")
SIMILARITY = Path("data/taxonomy/similarity/train.npy")
SILVER = Path("data/taxonomy/silver")
METRICS = Path("metrics/taxonomy/core_classes.json")
TIMING = Path("metrics/taxonomy/timing/core_classes.json")
BLOCK = 8192  # documents searched at once


class RefinedParams(RefineParams):
    """Params taxonomy.core_classes.refined."""

    core_confidence: float  # posterior from which on a class is a core class
    sharpness: float  # of the softmax that turns similarities into the zero-shot posterior


class CoreClassesParams(Params):
    """Params taxonomy.core_classes."""

    rule: Literal["refined", "paper"]
    refined: RefinedParams


def main() -> None:
    """Run the stage."""
    section = load_params("taxonomy.core_classes", CoreClassesParams)
    hardware = load_params("hardware", Hardware)
    hierarchy = Hierarchy.from_dict(read_json(PREPARED / "hierarchy.json"))
    similarity = read_npy(SIMILARITY)
    with timed(TIMING), limit_threads(hardware.threads):
        if section.rule == "paper":
            decided: dict[str, float] = {}
            core = paper_core_classes(similarity, hierarchy)
            posterior = share_among_ends(core, hierarchy)
        else:
            documents, classes = (read_npy(EMBEDDINGS / f"{name}.npy") for name in ("train", "classes"))
            zero_shot = zero_shot_posterior(similarity[:, hierarchy.leaves], section.refined.sharpness)
            posterior, decided = refine_posterior(zero_shot, documents, classes[hierarchy.leaves], section.refined)
            core = np.zeros(similarity.shape, dtype=bool)
            core[:, hierarchy.leaves] = posterior >= section.refined.core_confidence
        write_outputs(core, posterior, hierarchy)
    statistics = core_statistics(core, hierarchy)
    write_json(METRICS, {"rule": section.rule, **decided, **statistics})
    report(statistics)


def write_outputs(core: np.ndarray, posterior: np.ndarray, hierarchy: Hierarchy) -> None:
    """Write the silver labels: lists of class ids, and the soft targets (N, E)."""
    identifiers = np.array(hierarchy.ids, dtype=object)
    documents = read_parquet(PREPARED / "train.parquet")["doc_id"]
    table = pd.DataFrame({"doc_id": documents, "core_classes": [identifiers[row].tolist() for row in core]})
    write_parquet(SILVER / "core_classes.parquet", table)
    write_npy(SILVER / "posterior.npy", posterior.astype(np.float32, copy=False))


def zero_shot_posterior(similarity: np.ndarray, sharpness: float) -> np.ndarray:
    """Softmax of the similarities (N, E); a pair that was never scored gets no mass."""
    logits = np.where(np.isnan(similarity), -np.inf, sharpness * similarity).astype(np.float32)
    logits[np.isneginf(logits).all(axis=1)] = 0.0  # no end was met: nothing is known
    return softmax(logits)


def paper_core_classes(similarity: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """TaxoClass's core classes: (N, C) similarities, NaN where never scored -> (N, C) bool."""
    confidence = np.full(similarity.shape, np.nan, dtype=np.float32)
    for start in range(0, len(similarity), BLOCK):
        block = np.asarray(similarity[start : start + BLOCK])
        candidates = search_top_down(hierarchy, len(block), functools.partial(_already_scored, block))
        own = confidence_over_relatives(block, hierarchy)
        confidence[start : start + BLOCK] = np.where(candidates, own, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that is nobody's candidate has no median
        medians = np.nanmedian(confidence, axis=0)  # (C,)
    return confidence >= medians


def _already_scored(similarity: np.ndarray, needed: np.ndarray) -> np.ndarray:
    return similarity


def confidence_over_relatives(similarity: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """Similarity minus the best of the class's parents and siblings, (n, C); TaxoClass, equation 2."""
    confidence = similarity.copy()
    for index, parents in enumerate(hierarchy.parents):
        siblings = {child for parent in parents for child in hierarchy.children[parent]} if parents else hierarchy.roots
        relatives = sorted({*parents, *siblings} - {index})
        if relatives:
            best = np.fmax.reduce(similarity[:, relatives], axis=1)
            confidence[:, index] -= np.where(np.isnan(best), 0, best)
    return confidence


def share_among_ends(core: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """Share a document's mass evenly among the leaves at or below its core classes: (N, C) bool -> (N, E).

    A document without core classes gets a row of zeros.
    """
    below = hierarchy.closure[hierarchy.leaves].T.astype(np.float32)  # (C, E): leaf e lies at or below class c
    below /= below.sum(axis=1, keepdims=True)
    shares = core.astype(np.float32) @ below
    totals = shares.sum(axis=1, keepdims=True)
    return shares / np.where(totals > 0, totals, 1)


def core_statistics(core: np.ndarray, hierarchy: Hierarchy) -> dict[str, Any]:
    """Describe the silver labels."""
    documents_per_class = core.sum(axis=0)  # (C,)
    closed = hierarchy.close_upwards(core).sum(axis=0)
    with_core = int(core.any(axis=1).sum())
    return {
        "num_core_classes": int((documents_per_class > 0).sum()),
        "total_docs_with_core": with_core,
        "avg_docs_per_core_class": float(documents_per_class.sum() / max(1, (documents_per_class > 0).sum())),
        "coverage": with_core / len(core),
        "classes_without_documents": [hierarchy.names[index] for index in np.flatnonzero(closed == 0)],
    }


def report(statistics: dict[str, Any]) -> None:
    """Say what was found, and which classes nobody is close to."""
    logger.info(
        "%.1f %% of the documents have a core class; %d classes are one",
        100 * statistics["coverage"],
        statistics["num_core_classes"],
    )
    if empty := statistics["classes_without_documents"]:
        logger.warning("%d classes are close to no document: %s", len(empty), ", ".join(empty[:20]))
