"""The recipes for a GPU take two steps at their full size, on a CPU, with random weights and inputs.

    pytest -m benchmark -s tests/benchmarks/test_recipes_at_full_size.py

The memory of the recipe's batch is extrapolated from batches of one and two examples: the rest does not depend on it.
"""

import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from reprise.core.params import parse_params
from reprise.core.recipe import TrainParams
from reprise.tools.batch_size import recipe_class
from tests.conftest import make_encoder, read_params

pytestmark = pytest.mark.benchmark

GIB_OF_A_GPU = 24
# facebook/wav2vec2-xls-r-300m and google-bert/bert-large-uncased as their configurations say; no hub is asked.
XLS_R_300M: dict[str, Any] = {
    "model_type": "wav2vec2",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
BERT_LARGE = {
    "vocab_size": 30_522,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 512,
}
RECIPES = [
    ("documents", "fast", 4_000_000),
    ("documents", "basic", 10_000_000),
    ("documents", "highperf", 86_000_000),
    ("deepfake", "conformer-tcm", 315_000_000),
    ("taxonomy", "bert-large", 335_000_000),
]


def read_full(task: str, name: str, **changes: Any) -> TrainParams:
    params = read_params()[task]
    return parse_params(params["train"] | params["recipes"][name] | changes, recipe_class(task), name)


def measure(task: str, recipe: TrainParams, batch_size: int, results: Any) -> None:
    """Two steps; results: parameters that learn, seconds and peak GiB of the process, which has to be a new one.

    A second training in a process would find the first one's optimiser still in memory.
    """
    import logging

    import torch

    from reprise.tools.trial import make_trial, trial_trainer
    from reprise.training.measure import count_parameters
    from reprise.training.sampler import epoch_loader

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(0)
    trial = make_trial(task, recipe)
    learned = count_parameters(trial.module)["trainable_parameters"]
    trainer = trial_trainer(recipe, "cpu", max_steps=2)
    started = time.perf_counter()
    trainer.fit(trial.module, epoch_loader(trial.dataset, batch_size, 0))
    seconds = time.perf_counter() - started
    assert trainer.global_step == 2
    assert all(bool(parameter.isfinite().all()) for parameter in trial.module.parameters())
    results.put((learned, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def measure_apart(task: str, recipe: TrainParams, batch_size: int) -> tuple[int, float, float]:
    """What `measure` gives, of a process of its own."""
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    process = context.Process(target=measure, args=(task, recipe, batch_size, results))
    process.start()
    process.join()
    assert process.exitcode == 0
    measured: tuple[int, float, float] = results.get()
    return measured


@pytest.mark.parametrize(("task", "name", "parameters"), RECIPES, ids=[name for _, name, _ in RECIPES])
def test_two_steps_at_full_size(task: str, name: str, parameters: int, tmp_path: Path) -> None:
    changes: dict[str, Any] = {}
    if name == "conformer-tcm":
        changes = {"ssl_config": XLS_R_300M}
    if name == "bert-large":
        make_encoder(tmp_path, BERT_LARGE)
        changes = {"encoder": str(tmp_path)}
    recipe = read_full(task, name, **changes)
    (learned, seconds, one), (_, _, two) = (measure_apart(task, recipe, size) for size in (1, 2))
    whole = one + (recipe.batch_size - 1) * (two - one)
    print(
        f"\n{name}: {learned / 1e6:.0f} million parameters learn; two steps of one example: {seconds:.1f} s, "
        f"{one:.1f} GiB at peak; with the recipe's batch of {recipe.batch_size}: about {whole:.1f} GiB"
    )
    assert learned >= parameters
    assert whole <= GIB_OF_A_GPU
