import random

import numpy as np
import pytest
import torch

from reprise.core.seed import derive_seed, seed_everything
from reprise.training.schedule import learning_rate_factor, warmup_schedule


def test_derived_seeds_are_fixed_and_differ():
    assert derive_seed(42, "epoch", 3) == derive_seed(42, "epoch", 3) == 1977601006
    assert len({derive_seed(seed, "epoch", epoch) for seed in range(10) for epoch in range(10)}) == 100


def test_all_generators_are_seeded():
    draws = []
    for _ in range(2):
        seed_everything(5)
        draws.append((random.random(), np.random.random(), float(torch.rand(1))))  # noqa: NPY002
    assert draws[0] == draws[1]


@pytest.mark.parametrize(("schedule", "end"), [("constant", 1.0), ("linear", 0.0), ("cosine", 0.0)])
def test_the_rate_rises_to_its_peak_and_ends_where_it_should(schedule, end):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = warmup_schedule(optimizer, total=20, warmup=0.2, schedule=schedule)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * end)


def test_the_cosine_is_torchs_own():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9)
    for step in range(10):
        assert learning_rate_factor(step, 9, 0, "cosine") == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        reference.step()
