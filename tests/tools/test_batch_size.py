"""Training batches that fit, found at a recipe's full size without data."""

import json
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from reprise.core import recipe as recipes
from reprise.core.errors import InputError
from reprise.core.params import parse_params
from reprise.tools import batch_size, trial
from tests.conftest import tiny_params
from tests.training.toy_training import HARDWARE


@pytest.fixture
def tiny_recipe(encoder_folder, monkeypatch):
    monkeypatch.setattr(trial, "EXAMPLES", 16)
    monkeypatch.setattr(trial, "TAXONOMY_CLASSES", 40)

    def make(task, **changes):
        params = tiny_params(encoder_folder)[task]
        values = params["train"] | params["recipes"][params["recipe"]] | changes
        return parse_params(values, batch_size.recipe_class(task), task)

    return make


@pytest.mark.parametrize(
    ("task", "changes"), [("taxonomy", {"trained_layers": 1}), ("taxonomy", {}), ("documents", {}), ("deepfake", {})]
)
def test_where_memory_suffices_the_largest_batch_is_taken(task, changes, tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert batch_size.find_batch_size(task, tiny_recipe(task, **changes), HARDWARE) == 8


def test_the_search_ends_where_memory_runs_out(tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = trial.documents_trial(tiny_recipe("documents"))
    step = made.module.training_step

    def limited(batch, batch_idx):
        if len(batch[1]) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes.")
        return step(batch, batch_idx)

    monkeypatch.setattr(made.module, "training_step", limited)
    monkeypatch.setattr(trial, "make_trial", lambda *_: made)
    assert batch_size.find_batch_size("documents", tiny_recipe("documents"), HARDWARE) == 4


def test_a_task_that_is_none_is_named():
    with pytest.raises(InputError, match="no task 'pages'; the tasks are taxonomy, documents, deepfake"):
        batch_size.recipe_class("pages")


def test_a_recipe_that_is_no_json_is_refused():
    with pytest.raises(InputError, match="--recipe: not valid JSON: "):
        batch_size.main("documents", "{epochs: 1}")


def test_auto_is_found_once_and_stands_in_the_resolved_recipe(workspace, change_params, monkeypatch):
    calls = []

    def run(command, **options):
        calls.append(json.loads(command[-1]))
        return SimpleNamespace(returncode=0, stdout='{"batch_size": 64}\n', stderr="")

    monkeypatch.setattr(recipes.subprocess, "run", run)
    change_params("documents.recipes.quick.batch_size", "auto")
    for _ in range(2):
        recipes.write_recipe("documents", batch_size.recipe_class("documents"))
    assert len(calls) == 1
    assert calls[0]["image_size"] == 32
    written = (workspace / "models/documents/recipe.yaml").read_text()
    assert YAML(typ="safe").load(written)["batch_size"] == 64
    assert "documents.recipes.quick: auto, found on a machine" in written
    change_params("documents.recipes.quick.image_size", 40)
    recipes.write_recipe("documents", batch_size.recipe_class("documents"))
    assert len(calls) == 2


def test_a_finder_that_fails_says_why(workspace, change_params, monkeypatch):
    failed = SimpleNamespace(returncode=1, stdout="", stderr="documents: not even one example fits into memory\n")
    monkeypatch.setattr(recipes.subprocess, "run", lambda *_, **__: failed)
    change_params("train.batch_size", "auto")
    with pytest.raises(InputError, match=r"batch_size auto: documents: not even one example fits .*; or give a number"):
        recipes.write_recipe("documents", batch_size.recipe_class("documents"))


@pytest.mark.slow
def test_the_finder_runs_in_a_process_of_its_own(workspace, change_params):
    change_params("documents.recipes.quick.batch_size", "auto")
    recipes.write_recipe("documents", batch_size.recipe_class("documents"))
    assert recipes.read_recipe("documents", batch_size.recipe_class("documents")).batch_size == trial.EXAMPLES // 2
