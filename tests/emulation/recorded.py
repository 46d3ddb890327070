"""The distinct torch operations of a real stage, at full size: recorded here, repeated under emulation.

    python -m tests.emulation.recorded record FILE MIB deepfake.detector   # where its inputs are; prints if complete
    python -m tests.emulation.recorded repeat FILE                         # one line of JSON: name -> SHA-256

A whole training would take hours under emulation. Its operations repeat from step to step; of each operation, with the
shapes, layouts and arguments it was given, the first call is kept. Numbers such as a learning rate make no call another
one. Not recorded: views, new memory, and operations on sparse tensors.
"""

import hashlib
import importlib
import io
import json
import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from reprise.core import kernels

kernels.pin()  # before torch is loaded

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_flatten, tree_map  # noqa: E402

from reprise.core.equal_ops import use_equal_operations  # noqa: E402
from reprise.core.stage import find_stage  # noqa: E402
from tests.emulation.approximations import END, mark  # noqa: E402

UNDEFINED = ("empty", "resize", "profiler")  # what they give is no number, or a leftover one


@dataclass
class GeneratorState:
    """What stands in a recording for a random generator."""

    state: Tensor


class Recorder(TorchDispatchMode):
    """Keeps the first call of each operation, until the file is full; then ends the process.

    Args:
        file: where the calls go, one pickle after the other.
        limit: its size in bytes.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        super().__init__()
        self.file, self.limit, self.seen = file, limit, set[Any]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not skipped(function, args, kwargs):
            chooses = args[1:] if "pow" in str(function) else ()  # a power's exponent chooses the kernel
            signature = f"{function} {tree_map(_describe, (args, kwargs))} {chooses}"
            if signature not in self.seen:
                self.seen.add(signature)
                inputs = io.BytesIO()
                torch.save(tree_map(_copy, (args, kwargs)), inputs)
                pickle.dump((str(function), inputs.getvalue()), self.file)
        if self.file.tell() > self.limit:
            self.file.flush()
            print(json.dumps({"complete": False}), flush=True)
            os._exit(0)
        return function(*args, **kwargs)


def skipped(function: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operation is not recorded: views, new memory, sparse tensors, and what is not computed on the CPU."""
    returns = function._schema.returns
    is_view = any(each.alias_info is not None and not each.alias_info.is_write for each in returns)
    tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
    devices = {torch.device(kwargs.get("device") or "cpu").type, *(each.device.type for each in tensors)}
    return (
        is_view
        or any(word in str(function) for word in UNDEFINED)
        or any(each.layout is not torch.strided for each in tensors)
        or devices != {"cpu"}
    )


def _describe(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.dtype, value.shape, value.stride()
    return type(value) if isinstance(value, float | torch.Generator) else value


def _copy(value: Any) -> Any:
    """A tensor's copy in the same layout, gaps and overlaps included."""
    if isinstance(value, torch.layout | torch.memory_format):  # cannot be pickled, and changes no number
        return None
    if isinstance(value, torch.Generator):
        return GeneratorState(value.get_state())
    if not isinstance(value, Tensor) or not value.numel():
        return value
    last = sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
    memory = value.detach().as_strided((last + 1,), (1,), value.storage_offset()).clone()
    return memory.as_strided(value.shape, value.stride(), 0)


def _restore(value: Any) -> Any:
    if not isinstance(value, GeneratorState):
        return value
    generator = torch.Generator()
    generator.set_state(value.state)
    return generator


def repeat(file: IO[bytes]) -> dict[str, str]:
    """Call each operation again.

    Returns:
        "<number> <operation>" -> SHA-256 of what it gave and of what it changed.
    """
    results: dict[str, str] = {}
    while True:
        try:
            name, inputs = pickle.load(file)
        except EOFError:
            mark(END)
            return results
        args, kwargs = tree_map(_restore, torch.load(io.BytesIO(inputs), weights_only=False))
        function = _find(name)
        mark(name)
        torch.manual_seed(0)
        given = function(*args, **kwargs)
        named = {each.name: value for each, value in zip(function._schema.arguments, args, strict=False)} | kwargs
        written = [each.name for each in function._schema.arguments if each.alias_info is not None]
        results[f"{len(results)} {name}"] = _digest((given, [named.get(each) for each in written]))


def _find(name: str) -> Any:
    if name == "aten.grid_sampler_2d.default":  # QEMU cannot run it: see stages.py
        name = "aten._grid_sampler_2d_cpu_fallback.default"
    if name.startswith(("image.", "torchvision.")):
        importlib.import_module("torchvision.io")  # registers the operations
    found: Any = torch.ops
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _digest(values: Any) -> str:
    sha = hashlib.sha256()
    for value in tree_flatten(values)[0]:
        if isinstance(value, Tensor):
            sha.update(str((value.dtype, value.shape)).encode())
            dense = value.detach().resolve_conj().resolve_neg().contiguous()
            sha.update(dense.flatten().view(torch.uint8).numpy().tobytes())
        else:
            sha.update(repr(value).encode())
    return sha.hexdigest()


def main(words: Sequence[str]) -> None:
    what, path, *rest = words
    if what == "record":
        stage, arguments = find_stage(rest[1].split())
        with Path(path).open("wb") as written, Recorder(written, int(rest[0]) * 2**20):
            stage(*arguments)
        print(json.dumps({"complete": True}))
    else:
        use_equal_operations()
        torch.set_num_threads(1)
        with Path(path).open("rb") as file, torch.no_grad():
            print(json.dumps(repeat(file)))


if __name__ == "__main__":
    main(sys.argv[1:])
