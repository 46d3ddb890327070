from typing import Any

import pytest
from ruamel.yaml import YAML

from reprise.core.errors import InputError
from reprise.core.recipe import TrainParams, read_recipe, resolve_recipe, write_recipe
from tests.conftest import read_params


class Toy(TrainParams):
    width: int


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {
        "train": read_params()["train"],
        "toy": {"recipe": "small", "recipes": {"small": {"width": 3, "lr": None}, "large": {"width": 9, "lr": 5e-4}}},
    }

    def write() -> None:
        with (tmp_path / "params.yaml").open("w") as file:
            YAML().dump(values, file)

    write()
    return values, write


def test_null_and_absent_keys_come_from_train(params):
    recipe = resolve_recipe("toy", Toy)
    assert (recipe.width, recipe.lr, recipe.epochs) == (3, params[0]["train"]["lr"], params[0]["train"]["epochs"])


def test_a_recipe_wins_over_train(params):
    values, write = params
    values["toy"]["recipe"] = "large"
    write()
    assert resolve_recipe("toy", Toy).lr == 5e-4


def test_the_written_recipe_reads_back(params):
    write_recipe("toy", Toy)
    assert read_recipe("toy", Toy) == resolve_recipe("toy", Toy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["toy"].update(recipe="huge"), r"toy.recipe: no recipe 'huge'; there are small, large"),
        (lambda v: v["toy"]["recipes"]["small"].update(widht=1), r"small \(with train\).widht: unknown key"),
        (lambda v: v["toy"]["recipes"]["small"].update(width=None), r"small \(with train\).width: .*, got None"),
        (lambda v: v["train"].update(learning_rate=1), r"train.learning_rate: unknown key"),
        (lambda v: v["train"].update(lr=-1), r"\.lr: input should be greater than 0, got -1"),
    ],
)
def test_mistakes_are_named(params, change, message):
    values, write = params
    change(values)
    write()
    with pytest.raises(InputError, match=message):
        resolve_recipe("toy", Toy)
