import pytest

from reprise.core.errors import InputError
from reprise.deepfake.explainer.learner import refuse_collapse


def test_a_collapsed_explainer_is_refused():
    good = {"importance_std": 0.3, "importance_spoof_mean": 0.6, "importance_bonafide_mean": 0.1}
    refuse_collapse("ema", good)
    for bad in ({"importance_std": 0.001}, {"importance_bonafide_mean": 0.58}, {"importance_spoof_mean": 0.1}):
        with pytest.raises(InputError, match="explainer-ema collapsed: its importance on dev varies by"):
            refuse_collapse("ema", good | bad)
