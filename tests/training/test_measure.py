import torch

from reprise.training.measure import SHARES, count_parameters, examples_of_epoch, quantiles
from reprise.training.sampler import epoch_loader


def test_quantiles_are_those_of_all_values_together():
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(50, 40, generator=generator), torch.randn(77, generator=generator)]
    expected = torch.cat([tensor.flatten() for tensor in tensors]).quantile(torch.tensor(SHARES))
    found = quantiles(tensors)
    assert torch.allclose(torch.tensor(list(found.values())), expected)
    assert [float(share) for share in found] == list(SHARES)
    assert quantiles([]) == {}


def test_of_many_values_a_sample_does(monkeypatch):
    monkeypatch.setattr("reprise.training.measure.MOST_VALUES", 1000)
    values = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    assert abs(quantiles([values])["0.5"]) < 0.1


def test_examples_of_an_epoch():
    data: torch.utils.data.TensorDataset = torch.utils.data.TensorDataset(torch.zeros(10))
    assert examples_of_epoch(epoch_loader(data, 4, 0)) == 10
    assert examples_of_epoch(epoch_loader(data, 4, 0, batches=5)) == 20


def test_frozen_parameters_are_counted_apart():
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    net[0].requires_grad_(False)
    assert count_parameters(net) == {"parameters": 11, "trainable_parameters": 3}
