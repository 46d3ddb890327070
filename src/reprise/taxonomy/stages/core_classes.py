"""Decide which classes each training document is surely about: the silver labels.

    python src/run.py taxonomy.core_classes

Reads data/taxonomy/{prepared,similarity,embeddings}; writes data/taxonomy/silver/core_classes.parquet (each document's
core classes), data/taxonomy/silver/posterior.npy (soft targets over the leaves) and
metrics/taxonomy/core_classes.json. Time grows linearly with documents. The two rules: zero_shot/core_classes.py.
"""

import logging
from typing import Any, Literal

import numpy as np

from reprise.core.files import read_npy, read_parquet, write_json, write_npy
from reprise.core.params import Hardware, Params, load_params
from reprise.core.seed import limit_threads
from reprise.core.stage import timed
from reprise.core.text import for_terminal
from reprise.taxonomy import paths
from reprise.taxonomy.data.corpus import read_core_classes, write_core_classes
from reprise.taxonomy.data.hierarchy import load_hierarchy
from reprise.taxonomy.zero_shot.core_classes import (
    RefinedParams,
    core_statistics,
    paper_core_classes,
    refined_core_classes,
    share_among_leaves,
)

logger = logging.getLogger("reprise")


class CoreClassesParams(Params):
    """Params taxonomy.core_classes."""

    rule: Literal["refined", "paper"]
    refined: RefinedParams


def main() -> None:
    params = load_params("taxonomy.core_classes", CoreClassesParams)
    hardware = load_params("hardware", Hardware)
    hierarchy = load_hierarchy(paths.HIERARCHY)
    similarity, seeds = read_npy(paths.similarity_path("train")), read_core_classes(paths.SEEDS, hierarchy)
    with timed(paths.timing_path("core_classes")), limit_threads(hardware.threads):
        decided: dict[str, float] = {}
        if params.rule == "paper":
            core = paper_core_classes(similarity, seeds, hierarchy)
            posterior = share_among_leaves(core, hierarchy)
        else:
            documents, classes = (read_npy(paths.embeddings_path(name)) for name in ("train", "classes"))
            core, posterior, decided = refined_core_classes(
                similarity, documents, classes, seeds, hierarchy, params.refined
            )
        identifiers = read_parquet(paths.corpus_path("train"))["doc_id"]
        write_core_classes(paths.CORE_CLASSES, identifiers, core, hierarchy)
        write_npy(paths.POSTERIOR, posterior.astype(np.float32, copy=False))
    statistics = core_statistics(core, hierarchy)
    write_json(paths.METRICS / "core_classes.json", {"rule": params.rule, **decided, **statistics})
    report(statistics)


def report(statistics: dict[str, Any]) -> None:
    """Log the coverage, and warn of classes that no document is close to."""
    logger.info(
        "%.1f %% of the documents have a core class; %d classes are one",
        100 * statistics["coverage"],
        statistics["num_core_classes"],
    )
    if empty := statistics["classes_without_documents"]:
        logger.warning("%d classes are close to no document: %s", len(empty), for_terminal(", ".join(empty[:20])))
