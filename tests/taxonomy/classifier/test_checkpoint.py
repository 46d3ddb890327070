"""Checkpoints of whole classifiers from elsewhere."""

import logging
from pathlib import Path

import pytest
import torch

from reprise.core.errors import InputError
from reprise.taxonomy.classifier.checkpoint import complete_checkpoint
from tests.taxonomy.hierarchies import tree

EDGES = "classifier.edge_index"
PATH = Path("best.pt")


def test_a_checkpoint_without_edges_gets_those_of_the_hierarchy(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("reprise"), "propagate", True)
    caplog.set_level(logging.INFO)
    hierarchy = tree(2, 2)
    state = complete_checkpoint({"classifier.bias": torch.zeros(3)}, hierarchy, PATH)
    parents, children = zip(*hierarchy.edges, strict=True)
    assert state[EDGES].tolist() == [[*parents, *children], [*children, *parents]]
    assert "best.pt: has no classifier.edge_index: registered from the hierarchy, shape (2, 8)" in caplog.text


def test_edges_of_another_hierarchy_are_refused():
    state = complete_checkpoint({}, tree(2, 2), PATH)
    assert torch.equal(complete_checkpoint(state, tree(2, 2), PATH)[EDGES], state[EDGES])
    with pytest.raises(InputError, match=r"best.pt: classifier.edge_index: \(2, 8\), not the edges of this hierarchy"):
        complete_checkpoint(state, tree(3, 2), PATH)
