"""Recipes: the shared `train` section and one task's chosen recipe, resolved into one checked file.

A training stage depends on `models/<task>/recipe.yaml` instead of on `train`, so that a change of `train.lr`
retrains only the tasks whose recipe leaves `lr` open (null), and a pull request shows the resolved values.
"""

import io
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field
from ruamel.yaml import YAML

from reprise.core.errors import InputError
from reprise.core.files import write_text
from reprise.core.params import PARAMS_FILE, Params, load_value, parse_params, read_yaml

Fraction = Annotated[float, Field(ge=0, le=1)]

AnyRecipe = TypeVar("AnyRecipe", bound="TrainParams")


class TrainParams(Params):
    """What every training takes; a task's recipe adds its model to it."""

    epochs: Annotated[int, Field(ge=0)]  # 0 publishes the model as it comes
    batch_size: Annotated[int, Field(ge=1)]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["constant", "linear", "cosine"]  # after the warm-up; linear and cosine end at 0
    warmup: Fraction  # of all steps
    patience: Annotated[int, Field(ge=0)]  # epochs without a better score before stopping; 0: never
    gradient_clip: Annotated[float, Field(ge=0)]  # largest norm; 0: none
    accumulate: Annotated[int, Field(ge=1)]  # batches to an optimiser step
    precision: str  # what Lightning's Trainer takes: 32-true, 16-mixed, bf16-mixed, ...
    ema_decay: Annotated[float, Field(ge=0, lt=1)]  # of the averaged weights, per step; 0: no average
    average_best: Annotated[int, Field(ge=1)]  # the published weights are the mean of this many best epochs
    log_every_n_steps: Annotated[int, Field(ge=0)]  # training loss per step; 0: per epoch alone
    log_gradient_norm: bool


def recipe_path(task: str) -> Path:
    """Where a task's resolved recipe stands."""
    return Path("models") / task / "recipe.yaml"


def resolve_recipe(task: str, recipe: type[AnyRecipe], path: Path = PARAMS_FILE) -> AnyRecipe:
    """Merge `train` with the task's chosen recipe; null or an absent key takes `train`'s value.

    Raises:
        InputError: no such recipe, or a key that is missing, unknown or mistyped.
    """
    chosen, recipes, shared = load_value(f"{task}.recipe", path), load_value(f"{task}.recipes", path), {}
    if chosen not in recipes:
        raise InputError(f"{path}: {task}.recipe: no recipe {chosen!r}; there are {', '.join(recipes)}")
    own = recipes[chosen]
    for key, value in load_value("train", path).items():
        if key not in TrainParams.model_fields:
            known = ", ".join(TrainParams.model_fields)
            raise InputError(f"{path}: train.{key}: unknown key; the keys here are {known}")
        if own.get(key) is None:
            shared[key] = value
    merged = {key: value for key, value in own.items() if key not in shared} | shared
    return parse_params(merged, recipe, f"{path}: {task}.recipes.{chosen} (with train)")


def write_recipe(task: str, recipe: type[AnyRecipe]) -> None:
    """Resolve and write `models/<task>/recipe.yaml`: the whole of a recipe stage."""
    text = io.StringIO()
    YAML().dump(resolve_recipe(task, recipe).model_dump(mode="json"), text)
    write_text(recipe_path(task), text.getvalue())


def read_recipe(task: str, recipe: type[AnyRecipe]) -> AnyRecipe:
    """Read the resolved recipe.

    Raises:
        InputError: the file is missing or was altered by hand.
    """
    path = recipe_path(task)
    return parse_params(read_yaml(path), recipe, str(path))
