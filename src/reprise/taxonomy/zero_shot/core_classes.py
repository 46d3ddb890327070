"""Core classes: the classes that each training document is surely about, decided without a label.

Two rules. `refined_core_classes` refines the zero-shot posterior, see `refine.py`. `paper_core_classes` is TaxoClass's
(Shen et al., NAACL 2021, section 3.3): among a document's candidates (`candidates.py`), confidence is the similarity
minus the best of the class's parents and siblings, and a candidate is kept where its confidence reaches the class's
median.
"""

import functools
import warnings
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.special import softmax

from reprise.core.errors import InputError
from reprise.core.params import Params, parse_params
from reprise.core.recipe import Fraction
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.candidates import search_top_down
from reprise.taxonomy.zero_shot.refine import RefineParams, Seeds, refine_posterior

BLOCK = 8192  # documents searched at once

Sharpness = Annotated[float, Field(gt=0, le=1e6)]  # of the softmax over cosines


class ZeroShotParams(Params):
    """The one value of taxonomy.core_classes.refined that the zero-shot posterior depends on."""

    sharpness: Sharpness


def parse_sharpness(value: Any) -> float:
    """Check taxonomy.core_classes.refined.sharpness, for stages that need no other value of its section.

    Raises:
        InputError: it is not a positive number.
    """
    return parse_params({"sharpness": value}, ZeroShotParams, "params.yaml: taxonomy.core_classes.refined").sharpness


class RefinedParams(RefineParams):
    """Params taxonomy.core_classes.refined."""

    core_confidence: Fraction
    sharpness: Sharpness


def refined_core_classes(
    similarity: np.ndarray,
    documents: np.ndarray,
    classes: np.ndarray,
    seeds: np.ndarray,
    hierarchy: Hierarchy,
    params: RefinedParams,
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Take the leaves of a confident refined posterior.

    Args:
        similarity: (N, C), NaN where never scored.
        documents: (N, D) embeddings, unit rows.
        classes: (C, D) embeddings of the classes, unit rows.
        seeds: (N, C) bool, classes of the documents that a person labelled; these become their core classes.
        hierarchy: the C classes.
        params: constants.

    Returns:
        Core classes (N, C) bool, the posterior over the leaves (N, E), and what `refine_posterior` decided.

    Raises:
        InputError: constants so large that the posterior is not finite.
    """
    zero_shot = zero_shot_posterior(similarity[:, hierarchy.leaves], params.sharpness)
    rows = np.flatnonzero(seeds.any(axis=1))
    own = hierarchy.drop_ancestors(seeds[rows])
    known = Seeds(rows, share_among_leaves(own, hierarchy)) if len(rows) else None
    posterior, decided = refine_posterior(zero_shot, documents, classes[hierarchy.leaves], params, known)
    if not np.isfinite(posterior).all():
        raise InputError("taxonomy.core_classes.refined: the posterior overflows; try constants nearer to the defaults")
    core = np.zeros(similarity.shape, dtype=bool)
    core[:, hierarchy.leaves] = posterior >= params.core_confidence
    core[rows] = own
    return core, posterior, decided


def zero_shot_posterior(similarity: np.ndarray, sharpness: float) -> np.ndarray:
    """Softmax of the similarities (N, E); a pair that was never scored gets no mass."""
    logits = np.where(np.isnan(similarity), -np.inf, sharpness * similarity).astype(np.float32)
    logits[np.isneginf(logits).all(axis=1)] = 0.0  # no leaf was scored: nothing is known
    return softmax(logits, axis=1)


def zero_shot_scores(similarity: np.ndarray, sharpness: float, hierarchy: Hierarchy) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the similarity alone, of all classes (N, C) and of the leaves (N, E), from similarities (N, C).

    The softmax of the leaves' similarities keeps their order; a parent is scored by the best of its descendants.
    """
    leaves = zero_shot_posterior(similarity[:, hierarchy.leaves], sharpness)
    scores = np.zeros((len(leaves), len(hierarchy)), dtype=np.float32)
    scores[:, hierarchy.leaves] = leaves
    return hierarchy.best_of_descendants(scores), leaves


def paper_core_classes(similarity: np.ndarray, seeds: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """TaxoClass's core classes (N, C) bool, but for the documents that a person labelled.

    Args:
        similarity: (N, C), NaN where never scored.
        seeds: (N, C) bool, classes of the documents that a person labelled; these become their core classes.
        hierarchy: the C classes.
    """
    confidence = np.full(similarity.shape, np.nan, dtype=np.float32)
    for start in range(0, len(similarity), BLOCK):
        block = np.asarray(similarity[start : start + BLOCK])
        candidates = search_top_down(hierarchy, len(block), functools.partial(_already_scored, block))
        own = confidence_over_relatives(block, hierarchy)
        confidence[start : start + BLOCK] = np.where(candidates, own, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class that is no document's candidate has no median
        medians = np.nanmedian(confidence, axis=0)  # (C,)
    core: np.ndarray = confidence >= medians
    rows = np.flatnonzero(seeds.any(axis=1))
    core[rows] = hierarchy.drop_ancestors(seeds[rows])
    return core


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


def share_among_leaves(core: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """Spread a document's mass evenly over the leaves at or below its core classes: (N, C) bool -> (N, E).

    A document without core classes gets a row of zeros.
    """
    below = hierarchy.closure[hierarchy.leaves].T.astype(np.float32)  # (C, E): leaf e lies at or below class c
    below /= below.sum(axis=1, keepdims=True)
    shares = core.astype(np.float32) @ below
    totals = shares.sum(axis=1, keepdims=True)
    return shares / np.where(totals > 0, totals, 1)


def core_statistics(core: np.ndarray, hierarchy: Hierarchy) -> dict[str, Any]:
    """Count the documents with core classes, and name the classes that no document has."""
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
