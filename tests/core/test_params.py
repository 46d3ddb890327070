from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field
from ruamel.yaml import YAML

from reprise.core.errors import InputError
from reprise.core.params import Hardware, Params, load_as, load_params, load_path, load_seed, load_value, parse_params
from tests.conftest import read_params


class Point(Params):
    x: float
    name: str


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text("good: {x: 5e-4, name: a}\nextra: {x: 1, name: a, z: 2}\nwrong: {x: abc, name: a}\nshort: {x: 1}\n")
    return path


def test_numbers_without_a_point_are_numbers(params):
    assert load_params("good", Point, params).x == 5e-4


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("extra", r"params.yaml: extra.z: unknown key; the keys here are x, name"),
        ("wrong", r"params.yaml: wrong.x: input should be a valid number.*, got 'abc'"),
        ("short", r"params.yaml: short.name: missing"),
        ("good.y", r"params.yaml: good.y: missing"),
        ("nothing", r"params.yaml: nothing: missing"),
    ],
)
def test_mistakes_are_named(params, key, message):
    with pytest.raises(InputError, match=message) as error:
        load_params(key, Point, params)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["abc", 0, -2, 1.5, None])
def test_devices_are_a_count_or_all(tmp_path, value):
    path = tmp_path / "params.yaml"
    for entered in ("auto", -1, "-1", 1, 8, value):
        with path.open("w", encoding="utf-8") as file:
            YAML().dump({"hardware": {**read_params()["hardware"], "devices": entered}}, file)
        if entered is not value:
            assert load_params("hardware", Hardware, path).devices == entered
    with pytest.raises(InputError, match=r"params\.yaml: hardware\.devices.*: ") as error:
        load_params("hardware", Hardware, path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "least"),
    [("nodes", 1), ("threads", 1), ("training_threads", 1), ("workers", 0)],
)
def test_a_count_of_hardware_has_a_least_value(tmp_path, key, least):
    path = tmp_path / "params.yaml"
    for value in (least, 64, least - 1, "auto", None):
        with path.open("w") as file:
            YAML().dump({"hardware": {**read_params()["hardware"], key: value}}, file)
        if isinstance(value, int) and value >= least:
            assert getattr(load_params("hardware", Hardware, path), key) == value
            continue
        with pytest.raises(InputError, match=rf"params\.yaml: hardware\.{key}: input should be .+, got ") as error:
            load_params("hardware", Hardware, path)
        assert "\n" not in str(error.value)


class Kinds(Params):
    rate: Annotated[float, Field(gt=0)] | None = None
    batch: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    span: tuple[Annotated[float, Field(gt=0)], float] = (1, 2)
    flag: bool = False
    anything: dict[str, Any] = Field(default_factory=dict)
    either: int | bool = 0


@pytest.mark.parametrize("values", [{"rate": True}, {"batch": True}, {"span": [True, 2]}])
def test_true_is_no_number(values):
    (key,) = values
    with pytest.raises(InputError, match=rf"^p\.{key}: expected a number, got .*True"):
        parse_params(values, Kinds, "p")


def test_true_stays_what_it_is_where_it_may():
    kinds = parse_params({"flag": True, "anything": {"a": True}, "either": True, "rate": 1}, Kinds, "p")
    assert (kinds.flag, kinds.anything, kinds.either, kinds.rate) == (True, {"a": True}, True, 1.0)


def test_sections_are_frozen(params):
    section: Any = load_params("good", Point, params)
    with pytest.raises(ValueError, match="frozen"):
        section.x = 1.0


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_value("a", tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(InputError, match="not valid YAML") as error:
        load_value("a", tmp_path / "broken.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", ["abc", "-1", "1.5", "true", "null", "4294967296"])
def test_a_seed_is_a_whole_number(tmp_path, seed):
    path = tmp_path / "params.yaml"
    path.write_text(f"seed: {seed}\n")
    with pytest.raises(InputError, match=r"params\.yaml: seed: expected a whole number from 0 to 4294967295, got "):
        load_seed(path)


@pytest.mark.parametrize("value", ["3", "[0.6, 0.4]", "[a, b, c]", "null"])
def test_a_single_value_is_of_its_type(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text(f"deepfake: {{prepare: {{shares: {value}}}}}\n")
    with pytest.raises(InputError, match=r"params\.yaml: deepfake\.prepare\.shares: .+, got ") as refused:
        load_as("deepfake.prepare.shares", tuple[float, float, float], path)
    assert "\n" not in str(refused.value)
    path.write_text("deepfake: {prepare: {shares: [0.6, 0.2, 0.2]}}\n")
    assert load_as("deepfake.prepare.shares", tuple[float, float, float], path) == (0.6, 0.2, 0.2)


@pytest.mark.parametrize("value", ["null", "5", "''", "[a]"])
def test_a_path_is_text(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text(f"taxonomy: {{data: {value}}}\n")
    with pytest.raises(InputError, match=r"taxonomy\.data: expected the path of a file or folder, got "):
        load_path("taxonomy.data", path)


def test_of_many_errors_three_are_shown():
    with pytest.raises(InputError, match=r"unknown key.*; and 4 more") as error:
        parse_params({"x": 1, "name": "a", **{f"z{number}": 0 for number in range(7)}}, Point, "p")
    assert str(error.value).count("unknown key") == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | st.text("ab:[]{}&*!?|>-,'\"# \n\t01.~", max_size=40).map(str.encode))
@example(content=b"\xff\xfe")
@example(content=b"[" * 5000)
@example(content=b"a: 2024-99-99")
@example(content=b"{[a]: 1}")
@example(content=b"a: &x [*x]")
@example(content=b"a: 1\na: 2")
@example(content=b"a:\n\t- b")
@example(content=b"\x1b[2J: {")
def test_any_bytes_are_parameters_or_one_line(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    try:
        point = load_params("good", Point, path)
    except InputError as error:
        line = str(error)
        assert line.startswith(str(path))
        assert line.isprintable()
    else:
        assert isinstance(point, Point)


def test_a_folder_in_place_of_parameters(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_value("a", tmp_path)
