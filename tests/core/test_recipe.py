from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reprise.core.errors import InputError
from reprise.core.recipe import TrainParams, read_recipe, recipe_path, resolve_recipe, write_recipe

OWN: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "lr": 1e-3,
    "weight_decay": 0.01,
    "schedule": "cosine",
    "warmup": 0.1,
    "patience": 0,
    "gradient_clip": 1.0,
    "accumulate": 1,
    "precision": "32-true",
    "ema_decay": 0.0,
    "average_best": 1,
    "width": 3,
}


class Toy(TrainParams):
    width: int


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {
        "train": {"lr": None, "epochs": None},
        "toy": {"recipe": "small", "train": dict(OWN), "recipes": {"small": {}, "large": {"width": 9, "lr": 5e-4}}},
    }

    def write() -> None:
        with (tmp_path / "params.yaml").open("w") as file:
            YAML().dump(values, file)

    write()
    return values, write


def test_three_layers_in_their_order(params):
    values, write = params
    assert resolve_recipe("toy", Toy)[0].model_dump() == OWN
    values["toy"]["recipe"] = "large"
    write()
    recipe, origin = resolve_recipe("toy", Toy)
    assert (recipe.width, recipe.lr, recipe.epochs) == (9, 5e-4, 3)
    values["train"]["lr"] = 0.1
    write()
    recipe, origin = resolve_recipe("toy", Toy)
    assert (recipe.width, recipe.lr, recipe.epochs) == (9, 0.1, 3)
    assert {key: origin[key] for key in ("width", "lr", "epochs")} == {
        "width": "toy.recipes.large",
        "lr": "train",
        "epochs": "toy.train",
    }


def test_the_written_recipe_reads_back_and_says_where_values_come_from(params):
    values, write = params
    values["toy"]["recipe"], values["train"]["epochs"] = "large", 7
    write()
    write_recipe("toy", Toy)
    assert read_recipe("toy", Toy) == resolve_recipe("toy", Toy)[0]
    lines = recipe_path("toy").read_text().splitlines()
    assert "recipe@toy" in lines[0]
    found = {line.split(":")[0]: line.split("# ")[-1] for line in lines[1:]}
    assert (found["width"], found["epochs"], found["warmup"]) == ("toy.recipes.large", "train", "toy.train")


def test_a_hand_edit_is_refused(params):
    write_recipe("toy", Toy)
    path = recipe_path("toy")
    path.write_text(path.read_text().replace("width: 3", "width: 4"))
    with pytest.raises(InputError, match=r"models/toy/recipe.yaml: edited by hand; change params.yaml"):
        read_recipe("toy", Toy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["toy"].update(recipe="huge"), r"toy.recipe: no recipe 'huge'; there are small, large"),
        (lambda v: v["toy"].update(recipes=3), r"toy.recipe: no recipe 'small'; there are none"),
        (
            lambda v: v["toy"]["recipes"]["small"].update(widht=1),
            r"small.widht: unknown key; the keys here",
        ),
        (lambda v: v["toy"]["recipes"]["small"].update(width=None), r"toy.recipes.small.width: .*, got None"),
        (lambda v: v["toy"]["recipes"].update(small=None), r"toy.recipes.small: expected keys and values, got None"),
        (lambda v: v["toy"]["train"].pop("width"), r"toy.train.width: missing"),
        (lambda v: v["train"].update(learning_rate=1), r"train.learning_rate: unknown key"),
        (lambda v: v["train"].update(width=1), r"yaml: train.width: unknown key"),
        (lambda v: v["train"].update(lr=-1), r"yaml: train\.lr: input should be greater than 0, got -1"),
        (lambda v: v["train"].update(precision="bf17"), r"train.precision: input should be '32-true'"),
        (lambda v: v["train"].update(precision="bf16-true"), r"train.precision: input should be '32-true', '16-mixed'"),
    ],
)
def test_mistakes_are_named_with_their_section(params, change, message):
    values, write = params
    change(values)
    write()
    with pytest.raises(InputError, match=message):
        resolve_recipe("toy", Toy)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), bits=st.integers(1, 255), cut=st.booleans())
def test_any_damage_to_a_recipe_is_one_line(params, place, bits, cut):
    write_recipe("toy", Toy)
    path = recipe_path("toy")
    content = bytearray(path.read_bytes())
    place %= len(content)
    content[place] ^= bits
    path.write_bytes(content[:place] if cut else content)
    try:
        found = read_recipe("toy", Toy)
    except InputError as error:
        line = str(error)
        assert line.startswith(str(path))
        assert "\n" not in line
    else:
        assert found.model_dump() == OWN, "the damage is in a comment"
