import math

import pytest
import torch

from reprise.training.schedule import fusible, warmup_schedule
from tests.training.toy_training import SETTINGS


def factor(step: int, total: int, warmup: int, schedule: str) -> float:
    """The closed form of what torch's schedulers work out step by step."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / (total - warmup)
    return {"constant": 1.0, "linear": 1.0 - progress, "cosine": 0.5 * (1.0 + math.cos(math.pi * progress))}[schedule]


@pytest.mark.parametrize("warmup", [0.0, 0.2])
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_rate_follows_the_closed_form(schedule, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = warmup_schedule(optimizer, total=20, warmup=warmup, schedule=schedule)
    for step in range(21):
        expected = 0.5 * factor(step, 20, round(20 * warmup), schedule)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, abs=1e-9)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(("precision", "expected"), [("32-true", True), ("bf16-mixed", True), ("16-mixed", False)])
def test_adamw_is_fused_but_where_gradients_are_scaled(precision, expected):
    assert fusible(SETTINGS.model_copy(update={"precision": precision})) is expected
