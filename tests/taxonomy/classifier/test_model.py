from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.utils import to_dense_adj

from reprise.taxonomy.classifier.learner import soft_cross_entropy
from reprise.taxonomy.classifier.model import TaxonomyClassifier, class_probabilities, consistent_probabilities
from tests.taxonomy.hierarchies import naive_ancestors, random_hierarchy

HIERARCHY = random_hierarchy(1)
COUNT = len(HIERARCHY)


def classifier(kind: str = "GCN", layers: int = 2, document_size: int = 8) -> TaxonomyClassifier:
    torch.manual_seed(0)
    classes = torch.nn.functional.normalize(torch.randn(COUNT, 8), dim=-1)
    return TaxonomyClassifier(
        classes,
        torch.full((document_size,), 0.1),
        HIERARCHY.edges,
        graph=kind,
        layers=layers,
        hidden=6,
        dropout=0.0,
        scale=20.0,
    )


@pytest.mark.parametrize("kind", ["GCN", "GraphSAGE", "GAT", "GIN"])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_it_starts_as_the_zero_shot_classifier_and_learns(kind, layers):
    model = classifier(kind, layers).eval()
    documents = torch.nn.functional.normalize(torch.randn(5, 8), dim=-1)
    centred = torch.nn.functional.normalize(documents - 0.1, dim=-1)
    torch.testing.assert_close(model(documents), 20 * centred @ model.class_embeddings.T)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    losses = []
    for _ in range(60):
        loss = soft_cross_entropy(model(documents), torch.eye(COUNT)[:5])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    if layers:
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert float((model.class_vectors() - model.class_embeddings).abs().max()) > 0


def test_the_graph_layer_is_the_normalised_adjacency():
    model = classifier("GCN", 1)
    assert model.graph is not None
    layer: Any = model.graph.get_submodule("convs.0")
    torch.nn.init.normal_(layer.lin.weight)
    adjacency = to_dense_adj(model.edge_index, max_num_nodes=COUNT)[0] + torch.eye(COUNT)
    scale = adjacency.sum(1).rsqrt()
    expected = scale[:, None] * adjacency * scale @ (model.class_embeddings @ layer.lin.weight.T)
    torch.testing.assert_close(model.class_vectors() - model.class_embeddings, expected, atol=1e-5, rtol=1e-4)


def test_other_document_sizes_and_its_own_buffers():
    model = classifier(document_size=12)
    assert model(torch.randn(3, 12)).shape == (3, COUNT)
    assert {"class_embeddings", "document_mean", "edge_index"} <= model.state_dict().keys()


@pytest.mark.parametrize("loss", ["soft", "bce"])
def test_probabilities_agree_with_the_hierarchy(loss):
    logits = np.random.default_rng(0).normal(0, 3, (30, COUNT)).astype(np.float32)
    probabilities = consistent_probabilities(logits, HIERARCHY, loss, block=7)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    for parent, child in HIERARCHY.edges:
        assert (probabilities[:, parent] >= probabilities[:, child] - 1e-6).all()


def test_masses_add_up_over_the_leaves_below():
    logits = torch.randn(4, COUNT)
    masses = torch.softmax(logits[:, torch.from_numpy(HIERARCHY.leaves)], -1)
    probabilities = class_probabilities(logits, HIERARCHY, "soft")
    for index in range(COUNT):
        below = [place for place, leaf in enumerate(HIERARCHY.leaves) if index in naive_ancestors(HIERARCHY, int(leaf))]
        torch.testing.assert_close(probabilities[:, index], masses[:, below].sum(1), atol=1e-6, rtol=1e-5)
