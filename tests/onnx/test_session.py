"""Reading ONNX files: what is missing or damaged is one line, and torch stays away."""

import ast
import json
from pathlib import Path

import pytest

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.models import write_checked_json
from reprise.onnx.session import DESCRIPTION, ONNX, OnnxDescription, Session, read_description, refuse_accelerator
from tests.import_closure import PACKAGE, imports_of

READERS = [
    *("onnx/session.py", "documents/onnx_ensemble.py", "taxonomy/onnx_predictor.py", "deepfake/onnx_models.py"),
    *("documents/data/images.py", "taxonomy/data/lines.py", "deepfake/data/audio.py", "deepfake/detector/decision.py"),
]


def write(folder, content=b"graph"):
    (folder / ONNX).mkdir()
    (folder / ONNX / "a.onnx").write_bytes(content)
    description = {"graphs": {"a": hash_file(folder / ONNX / "a.onnx")}}
    write_checked_json(folder / ONNX / DESCRIPTION, description)


def test_a_description_is_read_with_its_graphs(tmp_path):
    write(tmp_path)
    assert set(read_description(tmp_path, OnnxDescription).graphs) == {"a"}


def test_what_is_missing_or_damaged_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"prediction.json: no such file; --onnx needs a folder that `reprise export`"):
        read_description(tmp_path, OnnxDescription)
    write(tmp_path)
    (tmp_path / ONNX / "a.onnx").write_bytes(b"grape")
    with pytest.raises(InputError, match=r"a.onnx: does not match its checksum"):
        read_description(tmp_path, OnnxDescription)
    (tmp_path / ONNX / "a.onnx").unlink()
    with pytest.raises(InputError, match=r"a.onnx: no such file"):
        read_description(tmp_path, OnnxDescription)
    path = tmp_path / ONNX / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"graphs": {}}))
    with pytest.raises(InputError, match=r"prediction.json: does not match its checksum"):
        read_description(tmp_path, OnnxDescription)


def test_a_file_that_is_no_graph_is_one_line(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"a.onnx: onnxruntime cannot read it: "):
        Session(tmp_path / "a.onnx")


def test_another_device_is_refused():
    refuse_accelerator("auto")
    with pytest.raises(InputError, match=r"--onnx runs on the CPU; --accelerator gpu"):
        refuse_accelerator("gpu")


def module_level_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    return names


@pytest.mark.parametrize("name", READERS)
def test_no_module_of_onnx_prediction_imports_torch(name):
    heavy = {"torch", "timm", "transformers", "sentence_transformers", "lightning", "torchvision"}
    seen, waiting = set(), [PACKAGE / name]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        assert not module_level_imports(path) & heavy, path
        if path.is_relative_to(PACKAGE / "core"):
            continue  # imports torch inside functions alone, which the tests of whole processes watch
        waiting += imports_of(path)
