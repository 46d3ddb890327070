"""From torch modules to ONNX files, and what a task tells the export about its models."""

import contextlib
import dataclasses
import io
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from reprise.core.errors import InputError
from reprise.core.files import atomic_path, hash_file
from reprise.core.models import write_checked_json
from reprise.onnx.session import DESCRIPTION, ONNX, graph_path

REASON_SHOWN = 200  # characters of a library's message
LARGEST = 1_900_000_000  # bytes of weights: a file of Protocol Buffers ends at 2 GiB

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Graph:
    """A module to write as an ONNX file.

    Attributes:
        name: of the file, without its ending.
        module: takes the inputs in their order, and returns one tensor or a tuple.
        inputs: name -> an example; dimensions that may change must be 2 or more in it.
        dynamic: input -> place of a dimension -> its name, least and largest size (None: any).
        outputs: their names.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    dynamic: Mapping[str, Mapping[int, tuple[str, int, int | None]]]
    outputs: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How the ONNX files compare with torch, from raw inputs to answers, on one CPU thread each.

    Attributes:
        inputs: how many were compared.
        difference: the largest, of any probability or score.
        torch_seconds: for all inputs.
        onnx_seconds: the same.
    """

    inputs: int
    difference: float
    torch_seconds: float
    onnx_seconds: float


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """Weights of somebody else that a model was built on.

    Attributes:
        name: on the model hub, or the path of a file.
        part: what they are in the model, such as "text encoder".
        licence: SPDX's name, where the library that builds the model says it.
        separate: files of the export that hold them unchanged; empty: they are mixed with what was trained here.
    """

    name: str
    part: str
    licence: str | None = None
    separate: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Contents:
    """What an exported folder holds of a task.

    Attributes:
        files: place in the folder -> file here; all that `predict --models` reads.
        recipe: how the models were trained.
        pretrained: what they were built on.
        graphs: makes the graphs, which takes seconds.
        description: the task's prediction.json, without the checksums of the graphs.
        agreement: compares an exported folder with torch: folder, number of inputs, seed.
        onnx_input: what the ONNX files start from, in words.
        onnx_example: a Python program that uses them, and no line of this project.
    """

    files: Mapping[str, Path]
    recipe: Mapping[str, Any]
    pretrained: Sequence[Pretrained]
    graphs: Callable[[], Sequence[Graph]]
    description: Mapping[str, Any]
    agreement: Callable[[Path, int, int], Agreement]
    onnx_input: str
    onnx_example: str


def write_graphs(folder: Path, contents: Contents) -> None:
    """Write the graphs of a task and their description into `onnx/` of a folder.

    Raises:
        InputError: the packages are not installed, or an operator of a network has no form in ONNX.
    """
    (folder / ONNX).mkdir(exist_ok=True)
    checksums = {}
    for graph in contents.graphs():
        path = graph_path(folder, graph.name)
        write_graph(graph, path)
        checksums[graph.name] = hash_file(path)
    write_checked_json(folder / ONNX / DESCRIPTION, {**contents.description, "graphs": checksums})


def write_graph(graph: Graph, path: Path) -> None:
    """Write one graph.

    Raises:
        InputError: as `write_graphs`.
    """
    try:
        import onnxscript  # noqa: F401 -- torch's exporter asks for it, in many lines
    except ImportError:
        raise InputError(
            "onnxscript is not installed, which writes ONNX files: pip install onnx onnxscript onnxruntime"
        ) from None
    module = graph.module.eval().requires_grad_(False)
    size = sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
    if size > LARGEST:
        raise InputError(f"{graph.name}: {size / 1e9:.1f} GB of weights, more than one ONNX file holds")
    sizes = {dimension[0]: dimension for dimensions in graph.dynamic.values() for dimension in dimensions.values()}
    dims = {name: torch.export.Dim(name, min=least, max=most) for name, least, most in sizes.values()}
    shapes = tuple(
        {place: dims[dimension[0]] for place, dimension in graph.dynamic.get(name, {}).items()} for name in graph.inputs
    )
    try:
        with quiet():
            program = torch.onnx.export(
                module,
                tuple(graph.inputs.values()),
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        with atomic_path(path) as temporary:
            program.save(temporary)
    except MemoryError:
        raise
    except Exception as error:  # of the exporter, of onnxscript, of onnx: each has kinds of its own
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:REASON_SHOWN]
        raise InputError(f"{graph.name}: cannot be written as ONNX: {reason}") from None


def timed(compute: Callable[[], Result]) -> tuple[Result, float]:
    """Compute something with one thread of torch; returns it, and the seconds that it took."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.perf_counter()
    try:
        return compute(), time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's advice to programmers, and its progress, from the console."""
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
