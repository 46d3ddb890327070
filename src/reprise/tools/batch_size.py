"""Find the largest training batch that fits into memory, by Lightning's finder.

    reprise batch-size documents

Takes the task's resolved recipe at its full size, with random weights and inputs: no data is needed. Doubles the batch
until memory runs out, or until 256. The recipe stage runs this where `batch_size` is auto.
"""

import contextlib
import json
import logging
import math
import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.recipe import TASKS, read_recipe

if TYPE_CHECKING:
    from reprise.core.params import Hardware
    from reprise.core.recipe import TrainParams

STEPS = 2  # at each size: the second one has the optimiser's state in memory too
LEAST = 2  # tried first: batch norm cannot learn from one example
CPU_SHARE = 0.8  # of the memory that is available; beyond it the system would end processes instead of refusing


def main(
    task: Annotated[str, typer.Argument(help="taxonomy, documents or deepfake.")],
    recipe: Annotated[str | None, typer.Option(help="The recipe as JSON; by default the resolved one.")] = None,
) -> None:
    """Find the largest training batch that fits into memory."""
    from reprise.core.params import Hardware, load_params, parse_params

    kind = recipe_class(task)
    try:
        params = read_recipe(task, kind) if recipe is None else parse_params(json.loads(recipe), kind, "--recipe")
    except json.JSONDecodeError as error:
        raise InputError(f"--recipe: not valid JSON: {error}") from None
    hardware = load_params("hardware", Hardware)
    with limited_memory():
        size = find_batch_size(task, params, hardware)
    print(json.dumps({"batch_size": size}))


def recipe_class(task: str) -> "type[TrainParams]":
    """The class of a task's recipes.

    Raises:
        InputError: no such task.
    """
    import importlib

    if task not in TASKS:
        raise InputError(f"no task {task!r}; the tasks are {', '.join(TASKS)}")
    found: type[TrainParams] = importlib.import_module(f"reprise.{task}.recipe").Recipe
    return found


def find_batch_size(task: str, recipe: "TrainParams", hardware: "Hardware") -> int:
    """Search the largest batch, a power of two, with which a recipe trains on one device.

    Args:
        task: of the recipe.
        recipe: at its full size.
        hardware: the device.

    Raises:
        InputError: not even one example fits.
    """
    from lightning.pytorch import LightningDataModule
    from lightning.pytorch.tuner import Tuner
    from torch.utils.data import DataLoader

    from reprise.tools.trial import make_trial, trial_trainer
    from reprise.training.sampler import epoch_loader

    trial = make_trial(task, recipe)

    class Batches(LightningDataModule):
        batch_size = LEAST  # the finder sets it

        def train_dataloader(self) -> "DataLoader[object]":
            if self.batch_size < 1:
                raise InputError(f"{task}: not even one example fits into memory")
            return epoch_loader(trial.dataset, self.batch_size, 0)

        def val_dataloader(self) -> list[object]:
            return []

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Lightning's finder says of a batch as large as the data set that it fits, though memory ran out: stay below.
    trials = int(math.log2(len(trial.dataset) / LEAST))  # type: ignore[arg-type]  # torch's Dataset declares no length
    largest = Tuner(trial_trainer(recipe, hardware.accelerator)).scale_batch_size(
        trial.module,
        datamodule=Batches(),
        mode="power",
        steps_per_trial=STEPS,
        init_val=LEAST,
        max_trials=trials,
        margin=0.0,
    )
    assert largest is not None
    return largest


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Have this process refused memory that the machine cannot spare."""
    import psutil

    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = psutil.Process().memory_info().data + int(CPU_SHARE * psutil.virtual_memory().available)
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


if __name__ == "__main__":
    run_command(main)
