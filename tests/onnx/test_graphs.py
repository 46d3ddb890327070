"""Writing ONNX files."""

import numpy as np
import pytest
import torch
from torch import nn

from reprise.core.errors import InputError
from reprise.onnx.graphs import Graph, timed, write_graph
from reprise.onnx.session import Session

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


class Affine(nn.Module):
    def forward(self, given):
        return given * 2 + 1


class Impossible(nn.Module):
    def forward(self, given):
        return torch.linalg.eigvals(given)


def graph(module, size=None):
    return Graph("g", module, {"given": torch.zeros(2, 3, 3)}, {"given": {0: ("batch", 1, size)}}, ["out"])


def test_a_graph_computes_what_its_module_does_for_any_batch(tmp_path, capfd):
    write_graph(graph(Affine()), tmp_path / "g.onnx")
    session = Session(tmp_path / "g.onnx", threads=1)
    for batch in (1, 5):
        given = np.random.default_rng(batch).random((batch, 3, 3), dtype=np.float32)
        assert session.run({"given": given})["out"] == pytest.approx(given * 2 + 1)
    assert capfd.readouterr().out == ""


def test_an_operator_without_a_form_in_onnx_is_one_line_and_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match=r"g: cannot be written as ONNX: [^\n]{5,250}$"):
        write_graph(graph(Impossible()), tmp_path / "g.onnx")
    assert list(tmp_path.iterdir()) == []


def test_timing_sets_threads_back():
    before = torch.get_num_threads()
    threads, seconds = timed(torch.get_num_threads)
    assert (threads, torch.get_num_threads()) == (1, before)
    assert seconds >= 0
