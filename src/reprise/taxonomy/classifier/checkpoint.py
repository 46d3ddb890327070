"""A whole classifier's weights from elsewhere, checked before anything is computed with them."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reprise.core.errors import InputError
from reprise.core.weights import check_state
from reprise.taxonomy.classifier.model import Network, both_ways
from reprise.taxonomy.classifier.predictor import make_classifier
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.recipe import Recipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger("reprise")

EDGES = "classifier.edge_index"


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


def check_checkpoint(
    state: Mapping[str, Tensor],
    recipe: Recipe,
    hierarchy: Hierarchy,
    encoder: "SentenceTransformer",
    class_size: int,
    path: Path,
) -> None:
    """Compare a checkpoint with the network that a recipe builds, of which only shapes are made.

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
