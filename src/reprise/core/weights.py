"""Weights from elsewhere, loaded strictly: safetensors, or a torch state dict in one of the usual wrappings.

A training's checkpoint holds more: an optimiser's state, the epoch, NumPy scalars. Of these the epoch is logged.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from reprise.core.errors import InputError

logger = logging.getLogger("reprise")

WRAPPINGS = ("model_state_dict", "state_dict", "model")
NAMES_SHOWN = 8
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
    state = read_state_dict(path)
    own = module.state_dict()
    for name in [name for name in own if name.startswith(optional)] if optional else []:
        if name not in state or state[name].shape != own[name].shape:
            state[name] = own[name]
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if missing or extra:
        raise InputError(f"{path}: does not fit the model; missing: {_some(missing)}; extra: {_some(extra)}")
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise InputError(f"{path}: {name}: shape {tuple(tensor.shape)}, the model has {tuple(own[name].shape)}")
    module.load_state_dict(state)


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
