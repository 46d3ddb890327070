from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from reprise.core.errors import InputError
from reprise.documents.learning.learner import make_learner
from reprise.documents.learning.probe import PENALTY, fit_classifier
from tests.documents.helpers import page_dataset, tiny_recipe


def test_the_classifier_is_scikit_learns():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(90, 6)).astype(np.float32)
    targets = (features[:, :3] + generator.normal(size=(90, 3))).argmax(1)
    classifier = nn.Linear(6, 3)
    fit_classifier(classifier, torch.from_numpy(features), torch.eye(3)[torch.from_numpy(targets)], 0.0)
    reference = LogisticRegression(C=1 / (2 * PENALTY * 90), tol=1e-8, max_iter=1000).fit(features, targets)
    with torch.no_grad():
        found = classifier(torch.from_numpy(features)).softmax(1).numpy()
    assert np.allclose(found, reference.predict_proba(features), atol=5e-3)


def test_another_head_than_a_linear_one_is_refused():
    with pytest.raises(InputError, match="probe: the model's classifier is Identity, not one linear layer; set 0"):
        fit_classifier(nn.Identity(), torch.zeros(2, 3), torch.eye(2), 0.0)


@pytest.mark.parametrize("model", ["test_resnet", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_the_fitted_head_is_scikit_learns_on_the_networks_own_features(model):
    """Features taken as a training sees the pages, folded batch norms and all, lead to the regression's optimum."""
    data = page_dataset(36)
    size = 224 if model.startswith("vit") else 32
    pooling = "token" if model.startswith("vit") else "avg"
    torch.manual_seed(0)
    changes: dict[str, Any] = {"image_size": size, "pooling": pooling, "augmentation": "none", "orientation": "fixed"}
    recipe = tiny_recipe(model=model, probe=1, label_smoothing=0.0, **changes)
    learner = make_learner(recipe, data, 3, seed=1).eval()
    images = learner.augmentation(*data[np.arange(36)], 1.0, torch.Generator())[0]
    network: Any = learner.classifier.network
    with torch.no_grad():
        features = network.forward_head(
            network.forward_features(learner.classifier.normalise(images)), pre_logits=True
        ).double()
        found = learner(images).double().log_softmax(1)
    reference = LogisticRegression(C=1 / (2 * PENALTY * 36), tol=1e-10, max_iter=5000).fit(features, data.targets)
    losses = [
        -logs[np.arange(36), data.targets].mean().item() for logs in (found, reference.predict_log_proba(features))
    ]
    penalties = [
        PENALTY * float((weight**2).sum()) for weight in (network.get_classifier().weight.detach(), reference.coef_)
    ]
    assert losses[0] + penalties[0] == pytest.approx(losses[1] + penalties[1], rel=0.01)
    assert losses[0] + penalties[0] < np.log(3)  # of a head that knows nothing
