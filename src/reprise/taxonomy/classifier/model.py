"""The classifier: class vectors from a graph network over the hierarchy, matched with document vectors.

Shen et al., "TaxoClass", NAACL 2021, section 3.4: p(c | d) = sigmoid(c^T B d), where c comes from graph convolutions
over the hierarchy that start at the embedding of the class's name. Beside that link there is a softmax over the
classes at which a document's path can end, whose masses add up along the hierarchy.

It starts as the zero-shot classifier: the graph network's last layer is zero, so that class vectors are the names'
embeddings, and B is the identity where both sides come from the same encoder.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from reprise.taxonomy.data.hierarchy import Hierarchy

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BLOCK = 8192  # documents at once


class TaxonomyClassifier(nn.Module):
    """Logits of documents against the classes of a hierarchy.

    Shapes: B documents, C classes, D the document embedding's size, F the class embedding's.

    Args:
        class_embeddings: (C, F) embeddings of the classes' names.
        document_mean: (D,) is taken off each document before it is scaled to norm 1.
        edges: (parent, child) pairs; messages pass both ways.
        graph: PyG's name of the convolution's network: GCN, GraphSAGE, GAT, GIN.
        layers: graph convolutions; 0 keeps the names' embeddings.
        hidden: their width.
        dropout: between them.
        scale: of the logits at the start; an inverse temperature, since c and d are unit vectors then.
    """

    class_embeddings: Tensor
    document_mean: Tensor
    edge_index: Tensor

    def __init__(
        self,
        class_embeddings: Tensor,
        document_mean: Tensor,
        edges: Sequence[tuple[int, int]],
        *,
        graph: str,
        layers: int,
        hidden: int,
        dropout: float,
        scale: float,
    ) -> None:
        super().__init__()
        class_size, document_size = class_embeddings.shape[1], document_mean.shape[0]
        # Buffers, so that they move and replicate with the model and are saved with it.
        self.register_buffer("class_embeddings", class_embeddings.clone())
        self.register_buffer("document_mean", document_mean.clone())
        self.register_buffer("edge_index", both_ways(edges))
        self.graph = graph_network(graph, class_size, hidden, layers, dropout) if layers else None
        self.bilinear = nn.Parameter(initial_bilinear(class_size, document_size, scale))  # (F, D)
        self.bias = nn.Parameter(torch.zeros(class_size))  # (F,): a class's bias is its vector's part along it

    def class_vectors(self) -> Tensor:
        """Vectors of the classes, (C, F)."""
        if self.graph is None:
            return self.class_embeddings
        return self.class_embeddings + self.graph(self.class_embeddings, self.edge_index)

    def forward(self, documents: Tensor) -> Tensor:
        """Logits (B, C) of document embeddings (B, D)."""
        documents = nn.functional.normalize(documents - self.document_mean, dim=-1)  # (B, D)
        classes = self.class_vectors()  # (C, F)
        return documents @ (classes @ self.bilinear).T + classes @ self.bias  # (B, C)


def both_ways(edges: Sequence[tuple[int, int]]) -> Tensor:
    """The edges (2, 2 E) along which messages pass, of (parent, child) pairs."""
    pairs = [*edges, *((child, parent) for parent, child in edges)]
    return torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T.contiguous()


class Network(nn.Module):
    """All that a training may change: the classifier, and the encoder where the recipe trains layers of it."""

    def __init__(self, classifier: TaxonomyClassifier, encoder: "SentenceTransformer | None") -> None:
        super().__init__()
        self.classifier, self.encoder = classifier, encoder

    def forward(self, documents: "Tensor | dict[str, Tensor]") -> Tensor:
        """Logits (B, C) of embeddings (B, D), or of tokens where the network has an encoder."""
        if isinstance(documents, dict):
            assert self.encoder is not None
            documents = self.encoder(documents)["sentence_embedding"]  # (B, D)
        return self.classifier(documents)


def graph_network(kind: str, size: int, hidden: int, layers: int, dropout: float) -> nn.Module:
    """Build one of PyG's basic networks, (C, size) -> (C, size), whose output is zero at the start."""
    from torch_geometric.nn import models

    network = getattr(models, kind)(size, hidden, num_layers=layers, out_channels=size, dropout=dropout)
    for parameter in network.convs[-1].parameters():
        nn.init.zeros_(parameter)
    # The zero last layer stops the gradients of the layers before it for one step: it is zero no longer after that.
    return network


def initial_bilinear(class_size: int, document_size: int, scale: float) -> Tensor:
    """B at the start: the identity for equal sizes, else a random matrix with orthonormal rows or columns."""
    if class_size == document_size:
        return scale * torch.eye(class_size)
    return scale * nn.init.orthogonal_(torch.empty(class_size, document_size))


@torch.no_grad()
def document_logits(classifier: TaxonomyClassifier, embeddings: Tensor) -> np.ndarray:
    """Logits (N, C) of embeddings (N, D), in blocks."""
    device = classifier.bilinear.device
    return np.concatenate([classifier(block.to(device)).cpu().numpy() for block in embeddings.split(BLOCK)])


def class_probabilities(logits: Tensor, hierarchy: Hierarchy, loss: str) -> Tensor:
    """Probabilities of the classes, (B, C), from logits (B, C).

    With the loss `soft`: the softmax masses of the leaves, each added to all of its ancestors. With `bce`: a sigmoid.
    """
    if loss == "bce":
        return logits.sigmoid()
    leaves = torch.from_numpy(hierarchy.leaves).to(logits.device)
    above = torch.from_numpy(hierarchy.closure[hierarchy.leaves]).to(logits)  # (E, C): class c is leaf e or above it
    return (logits[:, leaves].softmax(-1) @ above).clamp(max=1.0)


def consistent_probabilities(logits: np.ndarray, hierarchy: Hierarchy, loss: str, block: int = BLOCK) -> np.ndarray:
    """Probabilities (N, C) float32 that never fall on the way from a class up to its ancestors.

    A sum over leaves never does; sigmoids are raised to the best of the class's descendants.
    """
    rows = [
        class_probabilities(torch.from_numpy(logits[start : start + block]), hierarchy, loss).numpy()
        for start in range(0, len(logits), block)
    ]
    probabilities = np.concatenate(rows)
    return hierarchy.best_of_descendants(probabilities) if loss == "bce" else probabilities
