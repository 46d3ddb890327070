import numpy as np
import pandas as pd
import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.params import parse_params
from reprise.deepfake.data.windows import Windows
from reprise.deepfake.explainer.learner import Learner, refuse_collapse
from reprise.deepfake.explainer.model import ExplainerParams, make_explainer
from tests.conftest import read_params


def test_a_collapsed_explainer_is_refused():
    good = {"importance_std": 0.3, "importance_spoof_mean": 0.6, "importance_bonafide_mean": 0.1}
    refuse_collapse("ema", good)
    for bad in ({"importance_std": 0.001}, {"importance_bonafide_mean": 0.58}, {"importance_spoof_mean": 0.1}):
        with pytest.raises(InputError, match="explainer-ema collapsed: its importance on dev varies by"):
            refuse_collapse("ema", good | bad)


def test_the_training_loss_has_that_of_known_moments(monkeypatch):
    counts, generator = [4, 6, 3], np.random.default_rng(0)
    index = pd.DataFrame(
        {
            "utterance": ["natural", "whole", "spliced"],
            "spoof": [False, True, True],
            "start": [0, 4, 10],
            "count": counts,
            "spoofed": [[False] * 4, [], [False, True, False]],
        }
    )
    windows = Windows(generator.standard_normal((sum(counts), 2, 5)).astype(np.float32), index)
    values = read_params()["deepfake"]["explainer"]["train"] | {"hidden": 8, "dropout": 0.0}
    losses = {}
    monkeypatch.setattr("reprise.deepfake.explainer.learner.log_mean", lambda *_: None)
    for weight in (0.0, 2.0):
        params = parse_params(values | {"lambda_localisation": weight}, ExplainerParams, "explainer")
        torch.manual_seed(0)
        described = [windows.utterance(row) for row in range(3)]
        learner = Learner(make_explainer(params, "fixed", described, windows.spoof), params, windows, windows)
        losses[weight] = learner.training_step(torch.arange(3), 0).item()
    evidence = [
        learner.explainer(torch.from_numpy(one)[None], torch.ones(1, len(one)) > 0).evidence for one in described
    ]
    natural, _, spliced = (one[0].detach().numpy() for one in evidence)
    known = [*np.logaddexp(0, natural), *np.logaddexp(0, [spliced[0], -spliced[1], spliced[2]])]
    assert losses[2.0] - losses[0.0] == pytest.approx(2 * np.mean(known), rel=1e-4)
