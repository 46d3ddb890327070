"""Say where a person's answers would help most: unclear classes, and documents to label.

    python src/run.py taxonomy.ask

Reads data/taxonomy/{prepared,embeddings,similarity,silver} and no label but those that a person gave; writes
metrics/taxonomy/unclear_classes.csv and ask.csv. Nothing depends on them: answers go into class_related_keywords.txt
and seed_documents.txt of the folder `taxonomy.data`, by an editor or `reprise correct taxonomy`.
"""

import logging
from typing import Annotated

import numpy as np
from pydantic import Field

from reprise.core.files import read_npy, read_parquet, write_text
from reprise.core.params import Hardware, Params, load_params, load_value
from reprise.core.seed import limit_threads
from reprise.core.stage import timed
from reprise.core.text import for_csv, for_terminal
from reprise.taxonomy import paths
from reprise.taxonomy.data.corpus import read_core_classes
from reprise.taxonomy.data.hierarchy import load_hierarchy
from reprise.taxonomy.questions.ask import choose_documents, question_table
from reprise.taxonomy.questions.unclear import unclear_table
from reprise.taxonomy.zero_shot.core_classes import parse_sharpness, zero_shot_posterior

logger = logging.getLogger("reprise")


class AskParams(Params):
    """Params taxonomy.ask."""

    documents: Annotated[int, Field(ge=1)]


def main() -> None:
    params, hardware = load_params("taxonomy.ask", AskParams), load_params("hardware", Hardware)
    sharpness = parse_sharpness(load_value("taxonomy.core_classes.refined.sharpness"))
    hierarchy = load_hierarchy(paths.HIERARCHY)
    corpus = read_parquet(paths.corpus_path("train"))
    identifiers, texts = corpus["doc_id"].tolist(), corpus["text"].tolist()
    with timed(paths.timing_path("ask")), limit_threads(hardware.threads):
        posterior, documents = read_npy(paths.POSTERIOR), read_npy(paths.embeddings_path("train"))
        similarity = read_npy(paths.similarity_path("train"))
        zero_shot = zero_shot_posterior(similarity[:, hierarchy.leaves], sharpness)
        labelled = np.asarray(read_core_classes(paths.SEEDS, hierarchy).any(axis=1))
        unclear = unclear_table(texts, zero_shot, posterior, hierarchy)
        rows = choose_documents(documents, posterior, labelled, params.documents)
        questions = question_table(identifiers, texts, posterior, rows, hierarchy)
        for name, table in (("unclear_classes", unclear), ("ask", questions)):
            safe = table.map(lambda cell: for_csv(cell) if isinstance(cell, str) else cell)
            write_text(paths.METRICS / f"{name}.csv", safe.to_csv(index=False, float_format="%.4f"))
    names = ", ".join(unclear["class"].head(10))
    logger.info("%d documents to label; the least clear classes: %s", len(questions), for_terminal(names))
