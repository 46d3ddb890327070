from types import SimpleNamespace
from typing import Any

import torch

from reprise.training.trainer import WeighShares


def test_a_shares_weight_scales_gradients_and_not_the_loss():
    weights = {0: 1.0, 1: 0.5}
    sampler = SimpleNamespace(share_weight=weights.__getitem__)
    trainer: Any = SimpleNamespace(train_dataloader=SimpleNamespace(sampler=sampler))
    callback, module = WeighShares(), torch.nn.Linear(3, 1)
    gradients, losses = [], []
    for batch in weights:
        module.zero_grad()
        loss = module(torch.arange(3.0)).square().mean()
        callback.on_train_batch_start(trainer, module, None, batch)  # type: ignore[arg-type]
        callback.on_before_backward(trainer, module, loss)  # type: ignore[arg-type]
        loss.backward()
        assert module.weight.grad is not None
        gradients.append(module.weight.grad.clone())
        losses.append(loss.item())
    torch.testing.assert_close(gradients[1], gradients[0] / 2)
    assert losses[0] == losses[1]
