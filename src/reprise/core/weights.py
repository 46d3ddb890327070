"""Weights from elsewhere, loaded strictly: safetensors, or a torch state dict in one of the usual wrappings.

A training's checkpoint holds more: an optimiser's state, the epoch, NumPy scalars. Of these the epoch is logged.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from reprise.core.errors import InputError

logger = logging.getLogger("reprise")

AnyModule = TypeVar("AnyModule", bound=torch.nn.Module)

WRAPPINGS = ("model_state_dict", "state_dict", "model")
NAMES_SHOWN = 8
# What models of timm, transformers and our own raise for a description that they cannot be built from.
BUILD_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
NUMPY_SCALAR = type(np.float64(0)).__reduce__(np.float64(0))[0]  # makes a scalar when one is unpickled


def load_weights(module: torch.nn.Module, path: Path, optional: tuple[str, ...] = ()) -> None:
    """Load a file's weights into a module, in place.

    Takes safetensors, or what torch.save wrote of a state dict, plain or under `model_state_dict`, `state_dict` or
    `model`; the prefix that DataParallel puts before each name (`module.`) is stripped. No pickled code is run.

    Args:
        module: what the weights are for.
        path: the file.
        optional: prefixes of names, such as a classifier's, that stay as they are where the file lacks them or has
            them in another shape.

    Raises:
        InputError: unreadable, or names or shapes that differ from the module's; the line lists both ways.
    """
    load_state(module, read_state_dict(path), path, optional)


def load_state(
    module: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path, optional: tuple[str, ...] = ()
) -> None:
    """Load tensors by name into a module, in place, as `load_weights` does.

    Raises:
        InputError: names or shapes differ from the module's; the line names the file that they came from.
    """
    own, state = module.state_dict(), dict(state)
    for name in [name for name in own if name.startswith(optional)] if optional else []:
        if name not in state or state[name].shape != own[name].shape:
            state[name] = own[name]
    check_state(module, state, path)
    module.load_state_dict(state)


def check_state(module: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Compare names and shapes of a file's weights with a module's, which may be on the device `meta`.

    Raises:
        InputError: they differ; the line lists both ways.
    """
    own = module.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        raise InputError(f"{path}: does not fit the model; missing: {_some(missing)}; extra: {_some(extra)}")
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise InputError(f"{path}: {name}: shape {tuple(tensor.shape)}, the model has {tuple(own[name].shape)}")


def rebuild(make: Callable[[], AnyModule], state: Mapping[str, torch.Tensor], path: Path) -> AnyModule:
    """Build the module that a file describes, and load its weights.

    The module is built without memory first, so that a description of absurd size is refused before it costs any.

    Raises:
        InputError: the description makes no module, or not one for these weights.
    """
    try:
        with torch.device("meta"):
            check_state(make(), state, path)
        module = make()
        module.load_state_dict(state)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None
    except BUILD_ERRORS as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: its description makes no model: {reason}") from None
    return module


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict: name -> tensor.

    Raises:
        InputError: the file is missing, damaged, or holds something else than tensors by name.
    """
    content = _read(path)
    state = content
    for wrapping in WRAPPINGS:
        if isinstance(state, dict) and isinstance(state.get(wrapping), dict):
            state = state[wrapping]
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: expected a state dict (tensors by name), plain or under {' or '.join(WRAPPINGS)}")
    if not all(isinstance(name, str) for name in state):
        raise InputError(f"{path}: expected names as the keys of the state dict, got {next(iter(state))!r}")
    names = [name.removeprefix("module.") for name in state]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: named with `module.` and without it: {_some(twice)}")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{path}: {name}: a weight is NaN or infinite")
    if state is not content and "epoch" in content:
        logger.info("%s: weights of epoch %s", path, content["epoch"])
    return dict(zip(names, state.values(), strict=True))


def _read(path: Path) -> Any:
    """Read what safetensors or torch.save wrote: tensors, plain containers and NumPy scalars, and nothing else."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights file; `weights` is none, hub or a path")
    scalars: list[Any] = [NUMPY_SCALAR, np.dtype, *(type(np.dtype(code)) for code in "?bBhHiIlLqQefd")]
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(scalars):
            return torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a whole weights file: {error}") from None
    except Exception as error:  # torch.load raises RuntimeError, UnpicklingError, KeyError, ... for a foreign file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a state dict that torch.load(weights_only=True) takes: {reason}") from None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more if names else "none"
