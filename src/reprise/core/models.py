"""Models as files that carry their own description and a checksum: safetensors, and small JSON objects beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.core.errors import InputError
from reprise.core.files import atomic_path, hash_bytes, read_json, write_json

if TYPE_CHECKING:
    import torch

METADATA_KEY = "reprise"  # one key: safetensors writes several in an order that changes from run to run


def save_model(path: Path, tensors: Mapping[str, "torch.Tensor"], metadata: Mapping[str, Any]) -> None:
    """Write weights as safetensors, with readable metadata and a checksum of both.

    Args:
        path: the .safetensors file.
        tensors: name -> tensor, on any device.
        metadata: JSON-serialisable description: recipe, class names and whatever else it takes to use the weights.

    Raises:
        InputError: a weight is NaN or infinite.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(tensors.items())}
    _refuse_not_finite(path, tensors)
    checksum = hash_bytes(hash_tensors(tensors).encode(), _canonical(metadata))
    text = json.dumps({**metadata, "sha256": checksum}, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={METADATA_KEY: text}))


def load_model(path: Path) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read what `save_model` wrote.

    Returns:
        The tensors by name, and the metadata.

    Raises:
        InputError: the file is missing, truncated or altered, was not written by `save_model`, or has a weight that is
            NaN or infinite.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: no such file; run `dvc repro`, or `dvc pull` where a remote holds it")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
        metadata = json.loads(text) if text is not None else None
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: its description is nested too deeply") from None
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: no `{METADATA_KEY}` metadata: not a model written by this project")
    if metadata.pop("sha256", None) != hash_bytes(hash_tensors(tensors).encode(), _canonical(metadata)):
        raise InputError(f"{path}: weights and description do not match their checksum: the file is damaged")
    _refuse_not_finite(path, tensors)
    return tensors, metadata


def _refuse_not_finite(path: Path, tensors: Mapping[str, "torch.Tensor"]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{path}: {name}: a weight is NaN or infinite")


def write_checked_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object that belongs to a model, with a checksum of itself."""
    write_json(path, {**value, "sha256": hash_bytes(_canonical(value))})


def read_checked_json(path: Path) -> dict[str, Any]:
    """Read what `write_checked_json` wrote.

    Raises:
        InputError: the file is missing or was altered.
    """
    value = read_json(path)
    checksum = value.pop("sha256", None) if isinstance(value, dict) else None
    if checksum is None or checksum != hash_bytes(_canonical(value)):
        raise InputError(f"{path}: does not match its checksum: the file is damaged")
    return dict(value)


def _canonical(value: Mapping[str, Any]) -> bytes:
    """One text for equal JSON values."""
    return json.dumps(json.loads(json.dumps(value)), sort_keys=True).encode()


def hash_tensors(tensors: Mapping[str, "torch.Tensor"]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    import torch

    parts: list[bytes] = []
    for name, tensor in sorted(tensors.items()):
        raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)  # bytes, for bfloat16 too
        parts += [f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), raw.numpy().tobytes()]
    return hash_bytes(*parts)
