"""Batches in an order that depends on nothing but the seed and the epoch's number."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from reprise.core.seed import derive_seed


class EpochBatchSampler(Sampler[list[int]]):
    """Batches of indices in an order drawn from (seed, epoch), the same however many processes share them.

    With several processes each takes every world-size-th index of the same global batch. A last batch smaller than the
    number of processes goes to each of them whole, since one without work would leave the rest waiting. Where the order
    is kept, as validation does, it joins the batch before instead: figures count every example once.

    Args:
        length: number of examples.
        batch_size: examples of a global batch.
        seed: a new permutation is drawn from it for every epoch.
        shuffle: False keeps the order.
        batches: an epoch is this many batches, and the next one goes on where it stopped; None: one pass.
        weights: (length,) chances of the examples, which are then drawn with replacement; None: each once a pass.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        batches: int | None = None,
        weights: Tensor | None = None,
    ) -> None:
        self.length, self.batch_size, self.seed, self.shuffle = length, batch_size, seed, shuffle
        self.weights = weights
        self.batches_in_pass = math.ceil(length / batch_size)
        self.batches = batches or self.batches_in_pass
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration takes; Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches - self._joins_last()

    def __iter__(self) -> Iterator[list[int]]:
        rank, world = rank_and_world()
        order: Sequence[Tensor] = ()
        for number in range(self.epoch * self.batches, (self.epoch + 1) * self.batches):
            number_of_pass, place = divmod(number, self.batches_in_pass)
            if not order or place == 0:
                order = self._order(number_of_pass).split(self.batch_size)
                if self._joins_last():
                    order = (*order[:-2], torch.cat(order[-2:]))  # type: ignore[arg-type]  # it is a tuple
            if place == len(order):  # joined the batch before
                continue
            batch = order[place]
            share = batch[rank::world] if len(batch) >= world else batch
            yield share.tolist()

    def share_weight(self, batch: int) -> float:
        """Weight of this process's mean over its share of a batch, in the mean over processes.

        1 where all shares are of one size; else such that every example counts the same.

        Args:
            batch: its number in the epoch.
        """
        rank, world = rank_and_world()
        place = (self.epoch * self.batches + batch) % self.batches_in_pass
        size = min(self.batch_size, self.length - place * self.batch_size)
        return 1.0 if size < world else len(range(rank, size, world)) * world / size

    def _joins_last(self) -> bool:
        """Whether the last batch of a pass is joined to the one before."""
        left = self.length % self.batch_size
        return not self.shuffle and self.batches_in_pass > 1 and 0 < left < rank_and_world()[1]

    def _order(self, number_of_pass: int) -> Tensor:
        if not self.shuffle:
            return torch.arange(self.length)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", number_of_pass))
        if self.weights is not None:
            return torch.multinomial(self.weights, self.length, replacement=True, generator=generator)
        return torch.randperm(self.length, generator=generator)


def rank_and_world() -> tuple[int, int]:
    """This process's number among those that share a training, and their count."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def epoch_loader(
    dataset: "Dataset[Any]",
    batch_size: int,
    seed: int,
    *,
    shuffle: bool = True,
    batches: int | None = None,
    weights: Tensor | None = None,
    workers: int = 0,
) -> "DataLoader[Any]":
    """Make a loader over an `EpochBatchSampler`, whose arguments these are.

    Args:
        dataset: has a length, and is indexed with the list of a whole batch's indices.
        batch_size: examples of a global batch.
        seed: of the order.
        shuffle: False keeps the order, as validation does.
        batches: of an epoch; None: one pass.
        weights: (length,) chances of the examples; None: each once a pass.
        workers: processes that load; 0: the training itself.
    """
    length = len(dataset)  # type: ignore[arg-type]  # torch's Dataset declares no length
    sampler = EpochBatchSampler(length, batch_size, seed, shuffle, batches, weights)
    return DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=workers)
