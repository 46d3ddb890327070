import logging

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reprise.core.errors import InputError
from reprise.core.weights import load_weights, read_state_dict


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))


@pytest.mark.parametrize("wrapping", ["plain", "model_state_dict", "state_dict", "model", "parallel", "safetensors"])
def test_the_usual_wrappings_load(tmp_path, wrapping):
    source, target = net(), net()
    state = source.state_dict()
    path = tmp_path / ("w.safetensors" if wrapping == "safetensors" else "w.pt")
    if wrapping == "safetensors":
        save_file(state, path)
    elif wrapping == "parallel":
        torch.save({"model_state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, path)
    else:
        torch.save(state if wrapping == "plain" else {wrapping: state}, path)
    load_weights(target, path)
    assert all(torch.equal(value, target.state_dict()[name]) for name, value in state.items())


def test_missing_and_extra_names_are_both_listed(tmp_path):
    state = net().state_dict()
    state["head.weight"] = state.pop("1.weight")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"w\.pt: .*missing: 1\.weight; extra: head\.weight"):
        load_weights(net(), tmp_path / "w.pt")


def test_shapes_are_compared(tmp_path):
    torch.save({**net().state_dict(), "1.bias": torch.zeros(4)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"1\.bias: shape \(4,\), the model has \(1,\)"):
        load_weights(net(), tmp_path / "w.pt")


class Evil:
    def __reduce__(self):
        return (print, ("code of a foreign file ran",))


@pytest.mark.parametrize("content", ["pickle", "text", "list", "nothing"])
def test_anything_else_is_refused_and_no_code_is_run(tmp_path, content, capsys):
    path = tmp_path / "w.pt"
    if content == "pickle":
        torch.save({"a": Evil()}, path)
    elif content == "text":
        path.write_text("hello")
    elif content == "list":
        torch.save([1, 2], path)
    with pytest.raises(InputError, match=r"w\.pt: "):
        load_weights(net(), path)
    assert "ran" not in capsys.readouterr().out


def test_a_checkpoint_with_an_optimiser_an_epoch_and_numpy_scalars_loads(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("reprise"), "propagate", True)
    source, target = net(), net()
    optimizer = torch.optim.AdamW(source.parameters())
    source(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "model_state_dict": source.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "epoch": np.int64(7),
        "best_f1": np.float64(0.9),
    }
    torch.save(checkpoint, tmp_path / "w.pt")
    with caplog.at_level(logging.INFO):
        load_weights(target, tmp_path / "w.pt")
    assert torch.equal(source.state_dict()["0.weight"], target.state_dict()["0.weight"])
    assert "weights of epoch 7" in caplog.text


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"module.0.weight": torch.zeros(2, 3), "0.weight": torch.zeros(2, 3)}, "and without it: 0.weight"),
        ({0: torch.zeros(2)}, "expected names as the keys"),
        ({"0.weight": torch.full((2, 3), torch.nan)}, "0.weight: a weight is NaN or infinite"),
    ],
)
def test_a_state_dict_that_is_half_right_is_refused(tmp_path, state, message):
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match=message):
        read_state_dict(tmp_path / "w.pt")
