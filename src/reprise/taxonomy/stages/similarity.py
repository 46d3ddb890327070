"""Score every document against every class, from the classes' names alone.

    python src/run.py taxonomy.similarity

Reads data/taxonomy/prepared; writes data/taxonomy/embeddings (documents and classes, rows of norm 1),
data/taxonomy/similarity/{train,test}.npy (documents x classes) and metrics/taxonomy/similarity.json. Nearly all of
its time goes into the encoder's forward passes.

Two scorers: `embedding`, the cosine between the embeddings of document and class texts; and `entailment`, see
src/taxonomy/entailment.py. Documents are embedded with either, since the later stages learn on their embeddings.
"""

import json
import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reprise.core.devices import torch_devices
from reprise.core.files import new_npy, read_json, read_npy, read_parquet, write_json, write_npy
from reprise.core.params import Hardware, Params, load_params
from reprise.core.processes import only_first_goes_on
from reprise.core.seed import use_deterministic_kernels
from reprise.core.stage import timed
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.class_texts import class_texts, mean_per_class
from reprise.taxonomy.zero_shot.encoder import embed, open_encoder

logger = logging.getLogger("reprise")

PREPARED = Path("data/taxonomy/prepared")
EMBEDDINGS = Path("data/taxonomy/embeddings")
SIMILARITY = Path("data/taxonomy/similarity")
METRICS = Path("metrics/taxonomy/similarity.json")
TIMING = Path("metrics/taxonomy/timing/similarity.json")
SPLITS = ("train", "test")
BLOCK = 4096  # documents scored at once
ENTAILMENT_CHUNK = 256  # documents searched together, and stored together in the cache


class SimilarityParams(Params):
    """Params taxonomy.similarity."""

    scorer: Literal["embedding", "entailment"]
    encoder: str  # a package's, the hub's or a folder's sentence encoder
    max_tokens: int  # of a document; the rest of it is cut
    batch_size: int  # texts, or pairs, at once on one device
    templates: list[str]  # class texts
    entailment_model: str
    hypothesis: str  # with {name}


def main() -> None:
    """Run the stage."""
    section = load_params("taxonomy.similarity", SimilarityParams)
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(hardware.threads)
    hierarchy = Hierarchy.from_dict(read_json(PREPARED / "hierarchy.json"))
    texts = {split: read_parquet(PREPARED / f"{split}.parquet")["text"].tolist() for split in SPLITS}
    with timed(TIMING) as figures:
        documents, classes = embed_all(texts, hierarchy, section, torch_devices(hardware))
        entailed = None
        if section.scorer == "entailment":
            entailed = score_entailment(texts, hierarchy, section, torch_devices(hardware))
        only_first_goes_on()
        for split in SPLITS:
            write_npy(EMBEDDINGS / f"{split}.npy", documents[split])
            if entailed is not None:
                write_npy(SIMILARITY / f"{split}.npy", entailed[split])
            else:
                score_embeddings(split, documents[split], classes)
        write_npy(EMBEDDINGS / "classes.npy", classes)
        write_json(EMBEDDINGS / "encoder.json", {"encoder": section.encoder, "max_tokens": section.max_tokens})
        figures["documents"] = sum(len(own) for own in texts.values())
    statistics = {split: matrix_statistics(read_npy(SIMILARITY / f"{split}.npy")) for split in SPLITS}
    write_json(METRICS, {"scorer": section.scorer, **statistics["train"], "test": statistics["test"]})
    logger.info("similarity of the training documents: %s", json.dumps(statistics["train"]))


def embed_all(
    texts: dict[str, list[str]], hierarchy: Hierarchy, section: SimilarityParams, devices: list[str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Embed the documents of each split, (N, D), and the classes, (C, D)."""
    encoder = open_encoder(section.encoder, section.max_tokens, devices[0])
    documents = {split: embed(encoder, own, section.batch_size, devices, split) for split, own in texts.items()}
    names = class_texts(hierarchy, section.templates)
    flat = [text for own in names for text in own]
    return documents, mean_per_class(embed(encoder, flat, section.batch_size, devices, "class"), names)


def score_embeddings(split: str, documents: np.ndarray, classes: np.ndarray) -> None:
    """Write the cosines of a split's documents (N, D) with the classes (C, D), block by block."""
    with new_npy(SIMILARITY / f"{split}.npy", (len(documents), len(classes)), "float32") as matrix:
        for start in range(0, len(documents), BLOCK):
            block = slice(start, start + BLOCK)
            matrix[block] = documents[block] @ classes.T


def score_entailment(
    texts: dict[str, list[str]], hierarchy: Hierarchy, section: SimilarityParams, devices: list[str]
) -> dict[str, np.ndarray]:
    """P(entailment) of each split, (N, C), NaN where the search never met a pair."""
    from reprise.taxonomy.zero_shot.encoder import model_fingerprint
    from reprise.taxonomy.zero_shot.entailment import open_cross_encoder, pair_scorer, search_scores
    from reprise.taxonomy.zero_shot.row_cache import cached_rows

    model, entailment = open_cross_encoder(section.entailment_model, section.max_tokens, devices[0])
    hypotheses = [section.hypothesis.format(name=name) for name in hierarchy.names]
    score = pair_scorer(model, entailment, section.batch_size, devices)
    settings = json.dumps([model_fingerprint(model), section.batch_size, hypotheses, hierarchy.to_dict()])
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


def matrix_statistics(matrix: np.ndarray) -> dict[str, Any]:
    """Describe an (N, C) matrix in one pass over blocks of rows; NaN are counted and left out."""
    count, total, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    for start in range(0, len(matrix), BLOCK):
        block = np.asarray(matrix[start : start + BLOCK], dtype=np.float64)
        scored = block[~np.isnan(block)]
        count, total, squares = count + scored.size, total + scored.sum(), squares + np.square(scored).sum()
        low, high = min(low, scored.min()), max(high, scored.max())
    mean = total / count
    return {
        "min": float(low),
        "max": float(high),
        "mean": float(mean),
        "std": float(np.sqrt(max(squares / count - mean**2, 0.0))),
        "documents": matrix.shape[0],
        "classes": matrix.shape[1],
        "pairs_never_scored": int(matrix.size - count),
    }
