"""ONNX files of an exported folder, run by onnxruntime: no part of torch is imported.

An exported folder holds `onnx/<graph>.onnx`, and `onnx/prediction.json` with what the task needs beside the graphs,
such as class names and thresholds, and with the checksum of each graph.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.models import read_checked_json
from reprise.core.params import Params, parse_params

if TYPE_CHECKING:
    import numpy as np

ONNX = "onnx"  # the subfolder
DESCRIPTION = "prediction.json"


class OnnxDescription(Params):
    """What every task's prediction.json holds; a task's own subclass adds the rest."""

    graphs: dict[str, str]  # name -> SHA-256 of its file


AnyDescription = TypeVar("AnyDescription", bound=OnnxDescription)


def read_description(folder: Path, section: type[AnyDescription]) -> AnyDescription:
    """Read the description of an exported folder, and compare each graph's file with its checksum.

    Raises:
        InputError: the folder has no ONNX files, or one is missing, damaged or of another task.
    """
    path = folder / ONNX / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{path}: no such file; --onnx needs a folder that `reprise export` wrote with ONNX files")
    description = parse_params(read_checked_json(path), section, str(path))
    for name, checksum in description.graphs.items():
        file = graph_path(folder, name)
        if not file.is_file():
            raise InputError(f"{file}: no such file; export the folder again")
        if hash_file(file) != checksum:
            raise InputError(f"{file}: does not match its checksum: the file is damaged")
    return description


def graph_path(folder: Path, name: str) -> Path:
    return folder / ONNX / f"{name}.onnx"


class Session:
    """One graph.

    Args:
        path: the .onnx file.
        threads: of the CPU; 0: all cores.

    Raises:
        InputError: onnxruntime is not installed, or cannot read the file.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError("onnxruntime is not installed, which runs ONNX files: pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class for each of its codes, without a base of their own
            raise InputError(f"{path}: onnxruntime cannot read it: {' '.join(str(error).split())[:200]}") from None
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, inputs: "Mapping[str, np.ndarray]") -> "dict[str, np.ndarray]":
        """Compute all outputs, by name, of all inputs, by name."""
        return dict(zip(self.outputs, self.session.run(None, dict(inputs)), strict=True))


def refuse_accelerator(accelerator: str) -> None:
    """Check a command's `--accelerator` beside `--onnx`.

    Raises:
        InputError: it is none that onnxruntime's plain package has.
    """
    if accelerator not in ("auto", "cpu"):
        raise InputError(f"--onnx runs on the CPU; --accelerator {accelerator} does not go with it")
