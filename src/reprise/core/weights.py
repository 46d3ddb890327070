"""Weights from elsewhere, loaded strictly: safetensors, or a torch state dict in one of the usual wrappings."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from reprise.core.errors import InputError

WRAPPINGS = ("model_state_dict", "state_dict")
NAMES_SHOWN = 8


def load_weights(module: torch.nn.Module, path: Path, optional: tuple[str, ...] = ()) -> None:
    """Load a file's weights into a module, in place.

    Takes safetensors, or what torch.save wrote of a state dict, plain or under `model_state_dict` or `state_dict`;
    the prefix that DataParallel puts before each name (`module.`) is stripped. No pickled code is run.

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
    if not path.is_file():
        raise InputError(f"{path}: no such weights file; `weights` is none, hub or a path")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, OSError, EOFError) as error:
        raise InputError(f"{path}: not a whole weights file: {error}") from None
    except Exception as error:  # torch.load raises RuntimeError, UnpicklingError, KeyError, ... for a foreign file
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a state dict that torch.load(weights_only=True) takes: {reason}") from None
    for wrapping in WRAPPINGS:
        if isinstance(state, dict) and isinstance(state.get(wrapping), dict):
            state = state[wrapping]
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: expected a state dict (tensors by name), plain or under {' or '.join(WRAPPINGS)}")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more if names else "none"
