import pytest
import torch

from reprise.training.sampler import EpochBatchSampler


def test_sampler_covers_everything_once_in_an_order_of_its_epoch():
    sampler = EpochBatchSampler(10, 4, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert len(sampler) == 3
        orders.append([index for batch in batches for index in batch])
        assert sorted(orders[-1]) == list(range(10))
    assert orders[0] == orders[2] != orders[1]


def test_sampler_epochs_of_a_few_batches_go_on_where_the_last_one_stopped():
    sampler = EpochBatchSampler(10, 4, seed=3, batches=2)
    batches = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert len(list(sampler)) == len(sampler) == 2
        batches += list(sampler)
    assert sorted(index for batch in batches[:3] for index in batch) == list(range(10))
    assert sorted(index for batch in batches[3:] for index in batch) == list(range(10))
    assert batches[:3] != batches[3:]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_the_same_global_batches(world, monkeypatch):
    alone = list(EpochBatchSampler(10, 4, seed=3))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
    shares = []
    for rank in range(world):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        shares.append(list(EpochBatchSampler(10, 4, seed=3)))
    for number, batch in enumerate(alone):
        together = [index for share in shares for index in share[number]]
        assert sorted(set(together)) == sorted(batch)
        assert all(share[number] for share in shares)
