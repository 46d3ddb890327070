import numpy as np
import torch

from reprise.deepfake.detector.branches import PooledStates
from reprise.deepfake.detector.front_ends import weigh


def test_pooled_states_are_those_of_the_weighted_layers():
    states = torch.randn(2, 7, 3, 5)
    weights = torch.tensor([[0.0, 2.0, -1.0], [1.0, 0.0, 1.0]])
    shares = np.exp(weights[0].numpy()) / np.exp(weights[0].numpy()).sum()
    expected = sum(share * states[:, :, layer] for layer, share in enumerate(shares.tolist()))
    assert torch.allclose(weigh(states, weights)[:, :, 0], expected, atol=1e-6)
    pooled = PooledStates(5).eval()
    shuffled = states[:, torch.randperm(7), 0]
    assert torch.allclose(pooled(shuffled), pooled(states[:, :, 0]), atol=1e-5)  # order in time does not count
    assert not torch.allclose(pooled(2 * states[:, :, 0]), pooled(states[:, :, 0]), atol=1e-2)
