"""Recipes: three layers of params.yaml, resolved into one checked file.

1. `<task>.train` holds every key once: what the default recipe trains with.
2. `<task>.recipes.<name>` holds what the chosen recipe changes.
3. The top section `train` holds what a person wants for all tasks at once; null leaves the task's value.

A training stage depends on the result, `models/<task>/recipe.yaml`, and so runs again only where a value that it uses
has changed; a pull request shows the resolved values, and which layer each came from. `batch_size: auto` is resolved
too: `reprise batch-size` finds it once on the machine, in a process of its own.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.compat import StringIO

from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, read_json, write_json, write_text
from reprise.core.params import PARAMS_FILE, Params, load_value, parse_params, read_yaml

logger = logging.getLogger("reprise")

Fraction = Annotated[float, Field(ge=0, le=1)]
Schedule = Literal["constant", "linear", "cosine"]
Precision = Literal["32-true", "16-mixed", "bf16-mixed"]  # Lightning's names; weights are stored in 32 bits

TASKS = ("taxonomy", "documents", "deepfake")
FOUND_FOLDER = Path(".cache/batch-size")  # what this machine was found to hold
FINDER = "reprise.tools.batch_size"  # run, not imported: it builds the networks of all tasks

AnyRecipe = TypeVar("AnyRecipe", bound="TrainParams")


class TrainParams(Params):
    """The keys of every training; a task's recipe adds those of its model."""

    epochs: Annotated[int, Field(ge=0)]
    batch_size: Annotated[int, Field(ge=1)]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Schedule
    warmup: Fraction
    patience: Annotated[int, Field(ge=0)]
    gradient_clip: Annotated[float, Field(ge=0)]
    accumulate: Annotated[int, Field(ge=1)]
    precision: Precision
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    average_best: Annotated[int, Field(ge=1)]


def recipe_path(task: str) -> Path:
    """Where a task's resolved recipe lies."""
    return Path("models") / task / "recipe.yaml"


def resolve_recipe(task: str, recipe: type[AnyRecipe], path: Path = PARAMS_FILE) -> tuple[AnyRecipe, dict[str, str]]:
    """Lay the three layers over each other.

    Returns:
        The recipe, and for each of its keys the section that its value came from, such as `documents.recipes.quick`.

    Raises:
        InputError: no such recipe, or a key that is missing, unknown or mistyped; the line names its section.
    """
    chosen, recipes = load_value(f"{task}.recipe", path), load_value(f"{task}.recipes", path)
    if not isinstance(recipes, dict) or chosen not in recipes:
        known = ", ".join(recipes) if isinstance(recipes, dict) else "none"
        raise InputError(f"{path}: {task}.recipe: no recipe {chosen!r}; there are {known}")
    shared = {key: value for key, value in _section("train", TrainParams, path).items() if value is not None}
    layers = {
        f"{task}.train": _section(f"{task}.train", recipe, path),
        f"{task}.recipes.{chosen}": _section(f"{task}.recipes.{chosen}", recipe, path),
        "train": shared,
    }
    values: dict[str, Any] = {}
    origin = dict.fromkeys(recipe.model_fields, f"{task}.train")
    for layer, own in layers.items():
        values |= own
        origin |= dict.fromkeys(own, layer)
    where = {key: f"{path}: {layer}" for key, layer in origin.items()}
    if values.get("batch_size") == "auto":
        plan = parse_params({**values, "batch_size": 1}, recipe, where)
        values["batch_size"] = find_batch_size(task, plan, path)
        origin["batch_size"] += ": auto, found on a machine"
    return parse_params(values, recipe, where), origin


def find_batch_size(task: str, recipe: TrainParams, path: Path) -> int:
    """The largest batch with which a recipe trains on this machine; found once, then read from the cache.

    Args:
        task: of the recipe.
        recipe: everything but the batch size.
        path: params.yaml, whose `hardware` decides the device.

    Raises:
        InputError: none was found; the line is the finder's.
    """
    values = json.dumps(recipe.model_dump(mode="json"), sort_keys=True)
    key = hash_bytes(task.encode(), values.encode(), repr(load_value("hardware", path)).encode())[:16]
    if not (found := FOUND_FOLDER / f"{task}-{key}.json").is_file():
        logger.info("batch_size auto: looking for the largest batch that fits")
        source = str(Path(__file__).parents[2])
        done = subprocess.run(
            [sys.executable, "-m", FINDER, task, "--recipe", values],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
            raise InputError(f"{path}: {task}: batch_size auto: {reason}; or give a number")
        write_json(found, json.loads(done.stdout.splitlines()[-1]))
    size = int(read_json(found)["batch_size"])
    logger.info("batch_size auto: %d", size)
    return size


def _section(key: str, recipe: type[TrainParams], path: Path) -> dict[str, Any]:
    """One layer: a mapping whose keys the recipe knows."""
    values = load_value(key, path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: {key}: expected keys and values, got {values!r}; without any, write {{}}")
    if unknown := [str(name) for name in values if name not in recipe.model_fields]:
        raise InputError(f"{path}: {key}.{unknown[0]}: unknown key; the keys here are {', '.join(recipe.model_fields)}")
    return values


def write_recipe(task: str, recipe: type[AnyRecipe]) -> None:
    """Resolve and write `models/<task>/recipe.yaml`: the whole of a recipe stage."""
    resolved, origin = resolve_recipe(task, recipe)
    values = resolved.model_dump(mode="json")
    for key, layer in origin.items():
        if layer != f"{task}.train":
            logger.info("%s %s, from %s", key, values[key], layer)
    commented = CommentedMap(values)
    for key, layer in origin.items():
        commented.yaml_add_eol_comment(layer, key, column=40)
    text = StringIO()
    yaml = YAML()
    yaml.width = 2**16  # one line a value
    yaml.dump(commented, text)
    write_text(recipe_path(task), _first_line(task, values) + text.getvalue())


def read_recipe(task: str, recipe: type[AnyRecipe]) -> AnyRecipe:
    """Read the resolved recipe.

    Raises:
        InputError: the file is missing or was edited by hand.
    """
    path = recipe_path(task)
    values = read_yaml(path)
    resolved = parse_params(values, recipe, str(path))
    if path.read_text(encoding="utf-8").splitlines()[0] + "\n" != _first_line(task, resolved.model_dump(mode="json")):
        raise InputError(f"{path}: edited by hand; change params.yaml instead, and run `dvc repro recipe@{task}`")
    return resolved


def _first_line(task: str, values: Mapping[str, Any]) -> str:
    """Say what writes the file, with a hash of the values, by which a hand edit shows."""
    digest = hash_bytes(*(f"{key}={value!r}".encode() for key, value in values.items()))[:12]
    return f"# Written by the stage recipe@{task} from params.yaml: change values there. Hash of these: {digest}\n"
