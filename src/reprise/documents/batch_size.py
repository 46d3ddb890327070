"""Find the largest training batch that fits, by Lightning's finder.

    python -m reprise.documents.batch_size

Takes the resolved recipe and the prepared pages. Batches are doubled until memory is out or no larger set of pages is
there, then searched between. On CPU, where the system would sooner end another process than refuse memory, the
process is held to what is available now (or to `--memory-gib`).
"""

import argparse
import contextlib
import logging
import resource
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.tuner import Tuner
from torch import Tensor
from torch.utils.data import DataLoader

from reprise.core.errors import InputError
from reprise.core.files import read_json, read_parquet
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed, seed_everything
from reprise.core.stage import run_stage
from reprise.documents.network.dataset import PageDataset, open_pages
from reprise.documents.network.learner import Learner
from reprise.documents.network.model import Classifier, build_network
from reprise.documents.recipe import TASK, Recipe
from reprise.documents.stages.train import PREPARED

logger = logging.getLogger("reprise")

STEPS = 2  # training steps at each size: the second has the optimiser's state too


class Probe(Learner):
    """A learner that says in torch's words where oneDNN runs out of memory, so that the finder understands it."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """One batch's loss."""
        with out_of_memory_as_torch_says_it():
            return super().training_step(batch, batch_idx)

    def backward(self, loss: Tensor, *arguments: Any, **options: Any) -> None:
        """The gradient."""
        with out_of_memory_as_torch_says_it():
            super().backward(loss, *arguments, **options)


@contextlib.contextmanager
def out_of_memory_as_torch_says_it() -> Iterator[None]:
    """Translate "could not create a primitive" and "std::bad_alloc"."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "could not create a" in str(error) or "bad_alloc" in str(error):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory") from error
        raise


class Pages(LightningDataModule):
    """Training pages in batches of a size that the finder sets.

    Args:
        dataset: the pages.
        batch_size: the first size.
    """

    def __init__(self, dataset: PageDataset, batch_size: int) -> None:
        super().__init__()
        self.dataset, self.batch_size = dataset, batch_size

    def train_dataloader(self) -> "DataLoader[Any]":
        """Batches of the size that stands in `batch_size` now."""
        return DataLoader(self.dataset, batch_size=self.batch_size, drop_last=True)

    def val_dataloader(self) -> "DataLoader[Any]":
        """The finder asks for it and does not use it."""
        return DataLoader(self.dataset, batch_size=1)


def main() -> None:
    """Find the size and say it."""
    parser = argparse.ArgumentParser(description="Find the largest training batch that fits.")
    parser.add_argument("--memory-gib", type=float, help="memory to stay within on CPU (what is available)")
    arguments = parser.parse_args()
    recipe, hardware = read_recipe(TASK, Recipe), load_params("hardware", Hardware)
    classes = read_json(PREPARED / "classes.json")["names"]
    targets = read_parquet(PREPARED / "pages.parquet")["target"].to_numpy()
    pages = open_pages(PREPARED / "images.npy", hardware.image_memory_mib)
    dataset = PageDataset(pages, targets, np.arange(len(targets)))
    torch.set_num_threads(hardware.training_threads)
    size = find_batch_size(dataset, recipe, len(classes), hardware, arguments.memory_gib)
    limit = "all pages: memory is not the limit" if size >= len(dataset) else f"of {len(dataset)} pages"
    logger.info("largest batch that fits: %d (%s); the recipe takes %d", size, limit, recipe.batch_size)


def find_batch_size(
    dataset: PageDataset, recipe: Recipe, classes: int, hardware: Hardware, memory_gib: float | None
) -> int:
    """Largest batch with which the recipe's network trains.

    Args:
        dataset: pages to train on; no larger batch than all of them is tried.
        recipe: of the network.
        classes: C.
        hardware: the device.
        memory_gib: on CPU, memory for this search; None: what is available.

    Raises:
        InputError: not even one page fits.
    """
    seed = derive_seed(load_value("seed"), "documents-batch-size")
    seed_everything(seed)
    recipe = recipe.model_copy(update={"schedule": "constant", "warmup": 0.0, "recalibrate": 0})
    classifier = Classifier(build_network(recipe, classes), recipe.channels_last, recipe.standardise)
    learner = Probe(classifier, recipe, torch.ones(classes), seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
        trainer = Trainer(
            accelerator=hardware.accelerator,
            devices=1,
            precision=recipe.precision,  # type: ignore[arg-type]  # Lightning checks the name
            max_epochs=1,
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        if trainer.strategy.root_device.type == "cpu":
            limit_memory(memory_gib)
        data = Pages(dataset, 1)
        largest = Tuner(trainer).scale_batch_size(
            learner, datamodule=data, mode="binsearch", steps_per_trial=STEPS, init_val=1, margin=0.0
        )
    if not largest:
        raise InputError(f"not even one page of {recipe.image_size} px fits into memory with {recipe.model}")
    return int(largest)


def limit_memory(gib: float | None) -> None:
    """Let this process have so much more memory than it has: beyond, torch raises instead of the system's killing."""
    allowed = gib * 2**30 if gib is not None else 0.9 * psutil.virtual_memory().available
    used = psutil.Process().memory_info().data
    resource.setrlimit(resource.RLIMIT_DATA, (int(used + allowed), resource.getrlimit(resource.RLIMIT_DATA)[1]))


if __name__ == "__main__":
    run_stage(main)
