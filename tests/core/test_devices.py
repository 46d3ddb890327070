import pytest
import torch

from reprise.core.devices import torch_devices
from reprise.core.errors import InputError
from tests.training.toy_training import HARDWARE


def devices(**changes):
    return torch_devices(HARDWARE.model_copy(update=changes))


def test_without_an_accelerator_there_is_one_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices(accelerator="auto", devices="auto") == devices(accelerator="cpu", devices=8) == ["cpu"]


def test_all_or_some_of_several_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert devices(accelerator="gpu", devices="auto") == ["cuda:0", "cuda:1", "cuda:2"]
    assert devices(accelerator="auto", devices=2) == ["cuda:0", "cuda:1"]
    with pytest.raises(InputError, match="4 cuda devices wanted, 3 here"):
        devices(accelerator="cuda", devices=4)


def test_an_unknown_accelerator_is_named():
    with pytest.raises(InputError, match="'tpu'; choose auto, cpu, gpu, cuda or mps"):
        devices(accelerator="tpu")
