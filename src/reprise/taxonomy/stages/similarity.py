"""Score every document against every class, from the classes' names alone.

    python src/run.py taxonomy.similarity

Reads data/taxonomy/prepared; writes data/taxonomy/embeddings (documents and classes, rows of norm 1),
data/taxonomy/similarity/{train,test}.npy (documents x classes) and metrics/taxonomy/similarity.json. The encoder takes
nearly all of the time. Seed documents of enough classes tune it first (zero_shot/tuning.py), and
data/taxonomy/embeddings/encoder.safetensors holds the layers that learned.

Two scorers: `embedding`, the cosine between the embeddings of document and class texts; and `entailment`, see
zero_shot/entailment.py. Documents are embedded with either, since the later stages learn on their embeddings.
"""

import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from reprise.core.devices import torch_devices
from reprise.core.files import read_npy, write_json, write_npy
from reprise.core.params import Hardware, Params, load_params, load_seed
from reprise.core.processes import goes_on_alone
from reprise.core.recipe import Fraction
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.taxonomy import paths
from reprise.taxonomy.data.corpus import read_core_classes, read_texts
from reprise.taxonomy.data.hierarchy import Hierarchy, load_hierarchy
from reprise.taxonomy.zero_shot.class_texts import add_keywords, check_template, class_texts, mean_per_class
from reprise.taxonomy.zero_shot.encoder import computed_by, embed, model_fingerprint, open_encoder
from reprise.taxonomy.zero_shot.similarity import matrix_statistics, write_cosines
from reprise.taxonomy.zero_shot.tuning import Tuning, collect_examples, tune_once, worth_tuning

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger("reprise")

SPLITS = ("train", "test")
ENTAILMENT_CHUNK = 256  # documents searched together, and stored together in the cache


class SimilarityParams(Params):
    """Params taxonomy.similarity."""

    scorer: Literal["embedding", "entailment"]
    encoder: str
    max_tokens: Annotated[int, Field(ge=2, le=1_000_000)]
    batch_size: Annotated[int, Field(ge=1)]
    templates: Annotated[list[Annotated[str, AfterValidator(check_template)]], Field(min_length=1)]
    keyword_weight: Annotated[float, Field(ge=0)]
    tune_from: Fraction | None
    tuned_layers: Literal[-1] | Annotated[int, Field(ge=1)]
    tuning_epochs: Annotated[int, Field(ge=1)]
    tuning_lr: Annotated[float, Field(gt=0)]
    entailment_model: str
    hypothesis: Annotated[str, AfterValidator(partial(check_template, fields=("name",)))]


def main() -> None:
    params = load_params("taxonomy.similarity", SimilarityParams)
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(hardware.threads)
    hierarchy = load_hierarchy(paths.HIERARCHY)
    texts = {split: read_texts(paths.corpus_path(split)) for split in SPLITS}
    with timed(paths.timing_path("similarity")) as figures:
        devices = torch_devices(hardware)
        encoder = open_encoder(params.encoder, params.max_tokens, devices[0])
        tuned = tune(encoder, texts["train"], hierarchy, params)
        documents, classes = embed_all(encoder, texts, hierarchy, params, devices)
        entailed = None
        if params.scorer == "entailment":
            entailed = score_entailment(texts, hierarchy, params, devices)
        if not goes_on_alone():
            return
        for split in SPLITS:
            write_npy(paths.embeddings_path(split), documents[split])
            if entailed is None:
                write_cosines(paths.similarity_path(split), documents[split], classes)
            else:
                write_npy(paths.similarity_path(split), entailed[split])
        write_npy(paths.embeddings_path("classes"), classes)
        write_json(paths.EMBEDDINGS / "encoder.json", {"fingerprint": model_fingerprint(encoder)})
        figures["documents"] = sum(len(own) for own in texts.values())
    statistics = {split: matrix_statistics(read_npy(paths.similarity_path(split))) for split in SPLITS}
    metrics = {"scorer": params.scorer, "tuned": tuned, **statistics["train"], "test": statistics["test"]}
    write_json(paths.METRICS / "similarity.json", metrics)
    logger.info("similarity of the training documents: %s", json.dumps(statistics["train"]))


def tune(encoder: "SentenceTransformer", documents: list[str], hierarchy: Hierarchy, params: SimilarityParams) -> bool:
    """Tune the encoder where enough of the leaf classes have seed documents; returns whether they have."""
    paths.TUNING.unlink(missing_ok=True)
    seeds = read_core_classes(paths.SEEDS, hierarchy)
    examples = collect_examples(hierarchy, class_texts(hierarchy, params.templates), documents, seeds)
    if tuned := worth_tuning(examples, params.tune_from):
        tuning = Tuning(params.tuned_layers, params.tuning_epochs, params.tuning_lr)
        tune_once(encoder, examples, tuning, derive_seed(load_seed(), "taxonomy-tuning"), paths.TUNING)
    return tuned


def embed_all(
    encoder: "SentenceTransformer",
    texts: dict[str, list[str]],
    hierarchy: Hierarchy,
    params: SimilarityParams,
    devices: list[str],
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Embed the documents of each split, (N, D), and the classes, (C, D)."""
    documents = {split: embed(encoder, own, params.batch_size, devices, split) for split, own in texts.items()}
    names = class_texts(hierarchy, params.templates)
    flat = [text for own in names for text in own]
    classes = mean_per_class(embed(encoder, flat, params.batch_size, devices, "class"), names)
    if keywords := [keyword for own in hierarchy.keywords for keyword in own]:
        embedded = embed(encoder, keywords, params.batch_size, devices, "keyword")
        classes = add_keywords(classes, embedded, hierarchy, params.keyword_weight)
    return documents, classes


def score_entailment(
    texts: dict[str, list[str]], hierarchy: Hierarchy, params: SimilarityParams, devices: list[str]
) -> dict[str, np.ndarray]:
    """P(entailment) of each split, (N, C), NaN where the search never met a pair."""
    from reprise.taxonomy.zero_shot.entailment import open_cross_encoder, pair_scorer, search_scores
    from reprise.taxonomy.zero_shot.row_cache import cached_rows

    model, entailment = open_cross_encoder(params.entailment_model, params.max_tokens, devices[0])
    hypotheses = [params.hypothesis.format(name=name) for name in hierarchy.names]
    score = pair_scorer(model, entailment, params.batch_size, devices)
    code = computed_by(devices, "reprise.taxonomy.zero_shot.entailment")
    settings = json.dumps([model_fingerprint(model), params.batch_size, hypotheses, hierarchy.to_dict(), code])
    return {
        split: cached_rows(
            "entailment",
            settings,
            own,
            len(hypotheses),
            lambda chunk: search_scores(chunk, hypotheses, hierarchy, score),
            chunk=ENTAILMENT_CHUNK,
            label=split,
        )
        for split, own in texts.items()
    }
