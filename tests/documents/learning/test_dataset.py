import numpy as np
import pytest
import torch

from reprise.documents.learning.dataset import PageDataset, make_loaders, open_pages
from tests.documents.helpers import page_dataset
from tests.training.toy_training import HARDWARE


def test_balanced_sampling_draws_small_classes_as_often():
    targets = np.repeat([0, 1], [380, 20])
    data = PageDataset(np.zeros((400, 2, 2, 3), np.uint8), targets, np.arange(400))
    loader, _ = make_loaders(data, data, 400, True, 0, HARDWARE)
    drawn = next(iter(loader))[1]
    assert (drawn == 1).float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_a_set_too_large_for_memory_streams_and_gives_the_same_batches(tmp_path):
    from reprise.core.files import new_npy

    data = page_dataset()
    with new_npy(tmp_path / "images.npy", data.pages.shape, "uint8") as array:
        array[:] = data.pages
    held, streamed = open_pages(tmp_path / "images.npy", 64), open_pages(tmp_path / "images.npy", 0)
    assert isinstance(streamed, np.memmap)
    assert not isinstance(held, np.memmap)
    pairs = [PageDataset(pages, data.targets.numpy(), data.rows)[[3, 1, 7]] for pages in (held, streamed)]
    assert torch.equal(pairs[0][0], pairs[1][0])
    assert torch.equal(pairs[0][0], torch.from_numpy(data.pages[[3, 1, 7]]))
