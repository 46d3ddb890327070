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


@pytest.mark.parametrize(("length", "batch_size", "world"), [(9, 4, 2), (10, 4, 3), (13, 4, 2), (8, 4, 3), (4, 4, 3)])
def test_processes_that_validate_see_every_example_once(length, batch_size, world, monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
    seen: list[int] = []
    lengths = set()
    for rank in range(world):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        sampler = EpochBatchSampler(length, batch_size, seed=3, shuffle=False)
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            batches = list(sampler)
            assert len(batches) == len(sampler)
            assert all(batches)
        lengths.add(len(batches))
        seen += [index for batch in batches for index in batch]
    assert sorted(seen) == list(range(length))
    assert len(lengths) == 1


@pytest.mark.parametrize(("length", "batch_size", "world"), [(10, 4, 2), (11, 4, 2), (9, 4, 3), (12, 4, 2), (17, 5, 4)])
def test_weighted_shares_come_to_the_mean_over_the_whole_batch(length, batch_size, world, monkeypatch):
    values = torch.arange(length, dtype=torch.float64) ** 2
    alone = [values[batch].mean() for batch in EpochBatchSampler(length, batch_size, seed=3)]
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
    together = torch.zeros(len(alone), dtype=torch.float64)
    for rank in range(world):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        sampler = EpochBatchSampler(length, batch_size, seed=3)
        for number, share in enumerate(sampler):
            together[number] += sampler.share_weight(number) * values[share].mean() / world
    torch.testing.assert_close(together, torch.stack(alone))


def test_shares_are_weighed_by_the_place_in_their_pass(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    sampler = EpochBatchSampler(11, 4, seed=3, batches=2)  # batches of 4, 4, 3, 4, 4, 3, two an epoch
    weights = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        weights += [sampler.share_weight(batch) for batch in range(2)]
    assert weights == [1, 1, 2 / 3, 1, 1, 2 / 3]
