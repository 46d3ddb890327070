"""What a training starts from: the zero-shot classifier, or one from elsewhere, checked before anything is computed."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from reprise.core.errors import InputError
from reprise.core.models import METADATA_KEY
from reprise.core.weights import check_state
from reprise.taxonomy.classifier.model import Network, both_ways
from reprise.taxonomy.classifier.predictor import make_classifier
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.recipe import Recipe
from reprise.taxonomy.zero_shot.encoder import unfreeze_last_layers

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger("reprise")

EDGES = "classifier.edge_index"


def weights_file(recipe: Recipe) -> Path | None:
    """The file that `weights` names, unless it says whose weights the encoder starts with."""
    return None if recipe.weights in ("hub", "none") else Path(recipe.weights)


def complete_checkpoint(state: Mapping[str, Tensor], hierarchy: Hierarchy, path: Path) -> dict[str, Tensor]:
    """Give a checkpoint that was saved without the buffer `edge_index` that of the hierarchy.

    Raises:
        InputError: it has one, of another hierarchy.
    """
    edges = both_ways(hierarchy.edges)
    if EDGES not in state:
        logger.info("%s: has no %s: registered from the hierarchy, shape %s", path, EDGES, tuple(edges.shape))
    elif not torch.equal(state[EDGES].cpu().long(), edges):
        raise InputError(
            f"{path}: {EDGES}: {tuple(state[EDGES].shape)}, not the edges of this hierarchy, {tuple(edges.shape)}"
        )
    return {**state, EDGES: edges}


def refuse_tuned(path: Path, state: Mapping[str, Tensor]) -> None:
    """Refuse a classifier of this project whose encoder was tuned on seed documents and is not in the file.

    Raises:
        InputError: it is such a one.
    """
    if path.suffix != ".safetensors" or any(name.startswith("encoder.") for name in state):
        return
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get(METADATA_KEY)
    try:
        tuned = text is not None and json.loads(text).get("encoder_tuned") is True
    except (AttributeError, ValueError):
        tuned = False  # no description of ours
    if tuned:
        raise InputError(f"{path}: its encoder was tuned on seed documents, and is not in the file; train from `hub`")


def check_checkpoint(
    state: Mapping[str, Tensor],
    recipe: Recipe,
    hierarchy: Hierarchy,
    encoder: "SentenceTransformer",
    class_size: int,
    path: Path,
) -> None:
    """Compare a checkpoint with the network of a recipe, which is built without memory for its weights.

    Args:
        state: of the file.
        recipe: of the network.
        hierarchy: its C classes.
        encoder: of the documents.
        class_size: F, of a class's embedding.
        path: of the file.

    Raises:
        InputError: names or shapes differ.
    """
    classes, mean = torch.empty(len(hierarchy), class_size), torch.empty(encoder.get_embedding_dimension() or 0)
    with torch.device("meta"):
        network = Network(make_classifier(recipe, hierarchy, classes, mean), encoder if recipe.trained_layers else None)
    check_state(network, state, path)


def build_network(
    recipe: Recipe,
    hierarchy: Hierarchy,
    encoder: "SentenceTransformer",
    class_embeddings: np.ndarray,
    document_mean: np.ndarray,
    state: Mapping[str, Tensor] | None,
) -> Network:
    """Build what is trained: the classifier, with the encoder where the recipe trains layers of it.

    Args:
        recipe: of the network.
        hierarchy: its C classes.
        encoder: of the documents.
        class_embeddings: (C, F).
        document_mean: (D,).
        state: weights to start from, checked; None: the zero-shot classifier.
    """
    classifier = make_classifier(recipe, hierarchy, torch.from_numpy(class_embeddings), torch.from_numpy(document_mean))
    if recipe.trained_layers:
        unfreeze_last_layers(encoder, recipe.trained_layers)
    network = Network(classifier, encoder if recipe.trained_layers else None)
    if state is not None:
        network.load_state_dict(state)
    return network
