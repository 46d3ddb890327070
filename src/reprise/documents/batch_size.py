"""Find the largest training batch that fits into the accelerator's memory, by Lightning's finder.

    python -m reprise.documents.batch_size

Takes the resolved recipe and the prepared pages; doubles the batch until memory is out, then searches between.
"""

import logging
from typing import TYPE_CHECKING

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.documents.paths import CLASSES, IMAGES, PAGES, PREPARED
from reprise.documents.recipe import TASK, Recipe

if TYPE_CHECKING:
    from reprise.core.params import Hardware
    from reprise.documents.learning.dataset import PageDataset

STEPS = 2  # at each size: the second one has the optimiser's state in memory too


def main() -> None:
    """Find the largest training batch that fits into the accelerator's memory."""
    import numpy as np

    from reprise.core.files import read_json, read_parquet
    from reprise.core.params import Hardware, load_params
    from reprise.core.recipe import read_recipe
    from reprise.documents.learning.dataset import PageDataset, open_pages

    recipe, hardware = read_recipe(TASK, Recipe), load_params("hardware", Hardware)
    classes = read_json(PREPARED / CLASSES)["names"]
    targets = read_parquet(PREPARED / PAGES)["target"].to_numpy()
    pages = open_pages(PREPARED / IMAGES, hardware.image_memory_mib)
    size = find_batch_size(PageDataset(pages, targets, np.arange(len(targets))), recipe, len(classes), hardware)
    limit = "that is all of them: memory is no limit" if size >= len(targets) else f"of {len(targets)}"
    print(f"largest batch: {size} pages ({limit}); the recipe takes {recipe.batch_size}")


def find_batch_size(dataset: "PageDataset", recipe: Recipe, classes: int, hardware: "Hardware") -> int:
    """Search the largest batch with which the recipe's network trains on one device.

    Args:
        dataset: pages to train on; no larger batch than all of them is tried.
        recipe: of the network.
        classes: C.
        hardware: the device.

    Raises:
        InputError: not even one page fits.
    """
    from lightning.pytorch import LightningDataModule, Trainer
    from lightning.pytorch.tuner import Tuner
    from torch.utils.data import DataLoader

    from reprise.documents.learning.learner import make_learner

    class Pages(LightningDataModule):
        batch_size = 1  # the finder sets it

        def train_dataloader(self) -> "DataLoader[object]":
            return DataLoader(dataset, batch_size=self.batch_size, drop_last=True)

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    recipe = recipe.model_copy(update={"schedule": "constant", "warmup": 0.0, "recalibrate": 0})
    trainer = Trainer(
        accelerator=hardware.accelerator,
        devices=1,
        precision=recipe.precision,  # type: ignore[arg-type]  # the recipe has checked the name
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    largest = Tuner(trainer).scale_batch_size(
        make_learner(recipe, dataset, classes, 0),
        datamodule=Pages(),
        mode="binsearch",
        steps_per_trial=STEPS,
        init_val=1,
        margin=0.0,
    )
    if not largest:
        raise InputError(f"not even one page of {recipe.image_size} px fits into memory with {recipe.model}")
    return largest


if __name__ == "__main__":
    run_command(main)
