"""Check the corpus and the class hierarchy, and bring them into the form that the later stages read.

    python src/run.py taxonomy.prepare

Reads the folder `taxonomy.data`, in a layout of data/layout.py, but not its labels; writes data/taxonomy/prepared/
{hierarchy.json,train.parquet,test.parquet,seeds.parquet} and metrics/taxonomy/data.json. seeds.parquet has the classes
of the training documents that a person labelled in seed_documents.txt, where there is such a file.
"""

import logging
from typing import Annotated, Literal

from pydantic import Field

from reprise.core.files import write_json, write_parquet
from reprise.core.params import Params, load_params, load_path
from reprise.core.stage import timed
from reprise.taxonomy import paths
from reprise.taxonomy.data.class_lists import read_seed_documents
from reprise.taxonomy.data.corpus import read_corpus, write_core_classes
from reprise.taxonomy.data.hierarchy_files import read_hierarchy
from reprise.taxonomy.data.layout import recognise
from reprise.taxonomy.data.lines import normalise_text
from reprise.taxonomy.data.statistics import data_statistics

logger = logging.getLogger("reprise")


class PrepareParams(Params):
    """Params taxonomy.prepare."""

    empty_text: Literal["refuse", "keep"]
    near_empty_words: Annotated[int, Field(ge=0)]


def main() -> None:
    params = load_params("taxonomy.prepare", PrepareParams)
    folder = load_path("taxonomy.data")
    with timed(paths.timing_path("prepare")):
        layout, hierarchy = recognise(folder), read_hierarchy(folder)
        corpora = {}
        for split in ("train", "test"):
            corpora[split] = read_corpus(layout.corpus_path(split), params.empty_text)
            corpora[split]["text"] = corpora[split]["text"].map(normalise_text)
        documents = corpora["train"]["doc_id"]
        seeds = read_seed_documents(layout.seeds, hierarchy, documents.tolist())
        statistics = data_statistics(hierarchy, corpora, seeds, params.near_empty_words)
        for split, corpus in corpora.items():
            write_parquet(paths.corpus_path(split), corpus)
        write_core_classes(paths.SEEDS, documents, seeds, hierarchy)
        write_json(paths.HIERARCHY, hierarchy.to_dict())
        write_json(paths.METRICS / "data.json", statistics)
    for split, corpus in corpora.items():
        logger.info("%s: %d documents", split, len(corpus))
    logger.info("%d classes on %d levels, %d leaves", len(hierarchy), hierarchy.levels.max(), len(hierarchy.leaves))
