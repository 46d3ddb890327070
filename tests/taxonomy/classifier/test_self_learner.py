import numpy as np
import pytest

from reprise.taxonomy.classifier.self_learner import SelfLearner, SelfTrainParams
from reprise.taxonomy.classifier.self_training import WordView, neighbour_weights
from reprise.taxonomy.recipe import Recipe
from reprise.taxonomy.zero_shot.refine import normalise
from tests.conftest import read_params
from tests.taxonomy.hierarchies import tree

PARAMS = read_params()["taxonomy"]


@pytest.mark.parametrize("target", ["neighbours", "paper"])
def test_documents_that_a_person_labelled_have_their_classes_as_targets(target):
    from reprise.taxonomy.classifier.model import Network

    hierarchy, generator = tree(2, 2), np.random.default_rng(0)
    probabilities = generator.random((5, len(hierarchy))).astype(np.float32)
    seeds = np.zeros((5, len(hierarchy)), dtype=bool)
    seeds[[1, 4], [3, 2]] = True
    seeds = hierarchy.close_upwards(seeds)
    documents = normalise(generator.normal(size=(5, 4))).astype(np.float32)
    votes = (neighbour_weights(documents, np.arange(5), 2), np.arange(5)) if target == "neighbours" else None
    params = SelfTrainParams(**(PARAMS["self_train"] | {"target": target}))
    view = WordView(["a word"] * 5, seed=0)
    learner = SelfLearner(Network.__new__(Network), Recipe(**PARAMS["train"]), params, hierarchy, view, votes, seeds)
    learner.start_from(probabilities)
    learner.on_train_epoch_start()
    targets = learner.targets.numpy()
    assert np.array_equal(targets[[1, 4]], seeds[[1, 4]])
    assert ((targets[[0, 2, 3]] > 0) & (targets[[0, 2, 3]] < 1)).all()
