"""Stored pages as batches: from memory where they fit, else read from the disk as they are needed."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from reprise.core.batches import eval_batch_size
from reprise.core.files import read_npy
from reprise.core.params import Hardware
from reprise.documents.network.pages import INFERENCE_BATCH
from reprise.training.sampler import epoch_loader


def open_pages(path: Path, memory_mib: int) -> np.ndarray:
    """Open stored pages (N, S, S, 3) uint8: in memory up to `memory_mib`, else mapped from the disk."""
    pages = read_npy(path)
    return np.array(pages) if pages.nbytes <= memory_mib * 2**20 else pages


class PageDataset(Dataset[Any]):
    """Some rows of the stored pages with their classes, indexed by whole batches.

    Args:
        pages: (N, S, S, 3) uint8.
        targets: (N,) classes.
        rows: those that belong to it.
    """

    def __init__(self, pages: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        self.pages, self.targets, self.rows = pages, torch.from_numpy(targets[rows].astype(np.int64)), rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: Any) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.pages[self.rows[indices]]), self.targets[indices]


def make_loaders(
    train: PageDataset, valid: PageDataset, batch_size: int, balanced: bool, seed: int, hardware: Hardware
) -> "tuple[DataLoader[Any], DataLoader[Any]]":
    """Make the loaders of a fold: training pages in a new order each epoch, validation pages in the order of the file.

    Args:
        train: pages to learn from.
        valid: pages to validate on.
        batch_size: of training.
        balanced: draw every class equally often, pages of small classes repeatedly.
        seed: of the order.
        hardware: workers, and how many pages are validated at once.
    """
    size = eval_batch_size(hardware.eval_batch_size, INFERENCE_BATCH)
    weights = (1.0 / torch.bincount(train.targets).clamp(min=1))[train.targets] if balanced else None
    return (
        epoch_loader(train, batch_size, seed, weights=weights, workers=hardware.workers),
        epoch_loader(valid, size, seed, shuffle=False, workers=hardware.workers),
    )
