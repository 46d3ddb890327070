"""Sections of params.yaml as frozen, validated objects.

A stage declares its section as a subclass of `Params` and reads it with `load_params`. Everything that a person
may change stands in params.yaml: a section has no defaults, a key that it does not know is refused by name, and so
is a value of the wrong type. YAML 1.1 reads `5e-4` as a string and `5.0e-4` as a number; both are accepted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reprise.core.errors import InputError
from reprise.core.files import refuse_device
from reprise.core.text import for_terminal

PARAMS_FILE = Path("params.yaml")
ERRORS_SHOWN = 3
SEEDS = 2**32  # that NumPy's older generators take

AnyParams = TypeVar("AnyParams", bound="Params")


class Params(BaseModel):
    """One section of params.yaml: frozen, and without keys that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python counts true as 1, so pydantic would train with a learning rate of 1."""
        truth = any(isinstance(each, bool) for each in (value if isinstance(value, list | tuple) else [value]))
        kinds = _kinds_in(cls.model_fields[str(info.field_name)].annotation) if truth else set()
        if kinds & {int, float} and not kinds & {bool, Any}:
            raise ValueError("Expected a number")
        return value


def _kinds_in(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    if parts := get_args(annotation):
        return set().union(*map(_kinds_in, parts))
    return {annotation} if annotation is Any or isinstance(annotation, type) else set()


class Hardware(Params):
    """Where a stage runs, not what it computes: tracked by no stage."""

    accelerator: str  # auto, cpu, gpu or cuda, mps: what Lightning's Trainer takes
    devices: Annotated[int, Field(ge=1)] | Literal["auto", "-1", -1]  # how many; auto and -1: all
    nodes: Annotated[int, Field(ge=1)]  # machines, under torchrun or SLURM
    strategy: str  # auto, ddp, ...
    threads: Annotated[int, Field(ge=1)]  # CPU threads for linear algebra and encoders
    training_threads: Annotated[int, Field(ge=1)]  # CPU threads of a training: more only help large models
    workers: Annotated[int, Field(ge=0)]  # data loading processes
    same_bytes: bool  # the CPU kernels that every x86-64 processor with AVX2 has; false: the fastest this one has
    image_memory_mib: int  # image sets up to this size are held in memory; larger ones are read as they are needed
    eval_batch_size: Annotated[int, Field(ge=1)] | Literal["auto"]  # of prediction; auto: halved where memory runs out


class LogParams(Params):
    """What is logged and kept: decides no result, and is tracked by no stage."""

    every_n_steps: Annotated[int, Field(ge=0)]  # training loss and learning rate by step; 0: by epoch alone
    gradient_norm: bool  # mean norm before clipping, by epoch
    quantiles: bool  # of gradients and parameters, by epoch
    keep_checkpoints: Annotated[int, Field(ge=0)]  # weights of every n-th epoch and the last one stay; 0: none
    writers: tuple[Literal["tensorboard", "wandb"], ...]  # beside DVCLive
    tags: tuple[str, ...]  # of the writers' runs
    note: str  # the same
    files: Annotated[int, Field(ge=1)]  # logs of a stage that stay


def read_yaml(path: Path) -> Any:
    """Parse a YAML file.

    Raises:
        InputError: the file is missing or is not YAML.
    """
    refuse_device(path)
    try:
        with path.open(encoding="utf-8") as file:
            return YAML(typ="safe").load(file)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run from the root of the repository") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{path}: not valid YAML: nested too deeply") from None
    except (YAMLError, ArithmeticError, LookupError, TypeError, ValueError) as error:  # of a date, a number, a key
        reason = for_terminal(" ".join(str(error).split()))
        raise InputError(f"{path}: not valid YAML: {reason}") from None


def load_value(key: str, path: Path = PARAMS_FILE) -> Any:
    """Look up the plain value under a dotted key such as `taxonomy.data`.

    Raises:
        InputError: a part of the key is missing.
    """
    value = read_yaml(path)
    for depth, part in enumerate(parts := key.split(".")):
        if not isinstance(value, dict) or part not in value:
            raise InputError(f"{path}: {'.'.join(parts[: depth + 1])}: missing")
        value = value[part]
    return value


def load_seed(path: Path = PARAMS_FILE) -> int:
    """Read the seed of all draws.

    Raises:
        InputError: it is missing, or is no whole number that NumPy's generators take.
    """
    seed = load_value("seed", path)
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < SEEDS:
        raise InputError(f"{path}: seed: expected a whole number from 0 to {SEEDS - 1}, got {seed!r}")
    return seed


def load_as(key: str, kind: Any, path: Path = PARAMS_FILE) -> Any:
    """Read and check the value under a dotted key, where a command needs a single one of a stage's section.

    Args:
        key: such as `deepfake.prepare.shares`.
        kind: a type, such as `tuple[float, float, float]`.
        path: of the file.

    Raises:
        InputError: the key is missing, or its value is of another type.
    """
    value = load_value(key, path)
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise InputError(f"{path}: {key}: {message[0].lower()}{message[1:]}, got {value!r}") from None


def load_path(key: str, path: Path = PARAMS_FILE) -> Path:
    """Read the file or folder that a dotted key such as `taxonomy.data` names.

    Raises:
        InputError: the key is missing, or its value is not the text of a path.
    """
    value = load_value(key, path)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{path}: {key}: expected the path of a file or folder, got {value!r}")
    return Path(value)


def load_params(key: str, section: type[AnyParams], path: Path = PARAMS_FILE) -> AnyParams:
    """Read and check the section under a dotted key such as `taxonomy.similarity`.

    Raises:
        InputError: a key is missing, unknown or mistyped; the line names it in full.
    """
    return parse_params(load_value(key, path), section, f"{path}: {key}")


def parse_params(values: Any, section: type[AnyParams], where: str | Mapping[str, str]) -> AnyParams:
    """Check plain values against a section.

    Args:
        values: what YAML or JSON held.
        section: the keys and their types.
        where: starts the line of an error, such as `params.yaml: taxonomy.prepare`; or that for each key.

    Raises:
        InputError: a key is missing, unknown or mistyped.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        errors = error.errors()
        more = f"; and {len(errors) - ERRORS_SHOWN} more" if len(errors) > ERRORS_SHOWN else ""
        shown = "; ".join(_explain(detail, section, where) for detail in errors[:ERRORS_SHOWN])
        raise InputError(shown + more) from None


def _explain(detail: Any, section: type[Params], where: str | Mapping[str, str]) -> str:
    place = [str(part) for part in detail["loc"]]
    if not isinstance(where, str):  # a check over several keys stands nowhere in particular
        where = where[place[0]] if place else next(iter(where.values()))
    name = ".".join([where, *place])
    if detail["type"] == "extra_forbidden":
        return f"{name}: unknown key; the keys here are {', '.join(section.model_fields)}"
    if detail["type"] == "missing":
        return f"{name}: missing"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error" and not place:
        return f"{name}: {message}"
    return f"{name}: {message[0].lower()}{message[1:]}, got {detail['input']!r}"
