import random

import numpy as np
import torch

from reprise.core.seed import derive_seed, seed_everything


def test_derived_seeds_are_fixed_and_differ():
    assert derive_seed(42, "epoch", 3) == derive_seed(42, "epoch", 3) == 1977601006
    assert len({derive_seed(seed, "epoch", epoch) for seed in range(10) for epoch in range(10)}) == 100


def test_all_generators_are_seeded():
    draws = []
    for _ in range(2):
        seed_everything(5)
        draws.append((random.random(), np.random.random(), float(torch.rand(1))))  # noqa: NPY002
    assert draws[0] == draws[1]
