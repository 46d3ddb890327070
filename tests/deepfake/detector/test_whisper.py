"""Whisper's encoder against transformers' own, and files of CTranslate2 that are written here."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from reprise.core.errors import InputError
from reprise.deepfake.detector import whisper
from reprise.deepfake.detector.whisper import (
    Carried,
    LogMel,
    build_encoder,
    encoder_of,
    hidden_states,
    load_encoder,
    read_ct2,
)

CONFIG = {
    "d_model": 8,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "num_mel_bins": 80,
    "max_source_positions": 20,
}


def ct2_bytes(encoder: torch.nn.Module) -> bytes:
    """An encoder in CTranslate2's format, as its converter writes Whisper."""
    state = {name: tensor.numpy().astype(np.float16) for name, tensor in encoder.state_dict().items()}
    arrays = {"encoder/num_heads": np.array(2, np.int16)}
    for name in ("conv1", "conv2"):
        arrays |= {f"encoder/{name}/{kind}": state[f"{name}.{kind}"] for kind in ("weight", "bias")}
    arrays["encoder/position_encodings/encodings"] = state["embed_positions.weight"]
    norms = {"encoder/layer_norm": "layer_norm"}
    for layer in range(CONFIG["encoder_layers"]):
        there, here = f"encoder/layer_{layer}", f"layers.{layer}"
        norms[f"{there}/self_attention/layer_norm"] = f"{here}.self_attn_layer_norm"
        norms[f"{there}/ffn/layer_norm"] = f"{here}.final_layer_norm"
        projections = [f"{here}.self_attn.{letter}_proj" for letter in "qkv"]
        arrays[f"{there}/self_attention/linear_0/weight"] = np.concatenate([state[f"{p}.weight"] for p in projections])
        biases = [state.get(f"{p}.bias", np.zeros(CONFIG["d_model"], np.float16)) for p in projections]
        arrays[f"{there}/self_attention/linear_0/bias"] = np.concatenate(biases)
        for part, own in {
            "self_attention/linear_1": "self_attn.out_proj",
            "ffn/linear_0": "fc1",
            "ffn/linear_1": "fc2",
        }.items():
            arrays |= {f"{there}/{part}/{kind}": state[f"{here}.{own}.{kind}"] for kind in ("weight", "bias")}
    for there, here in norms.items():
        arrays |= {f"{there}/gamma": state[f"{here}.weight"], f"{there}/beta": state[f"{here}.bias"]}

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    content = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        content += text(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        content += struct.pack("<BI", 2 if array.dtype == np.int16 else 4, array.nbytes) + array.tobytes()
    return content


@pytest.fixture
def encoder() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_encoder(CONFIG).eval().requires_grad_(False).half().float()


def test_ct2_file_gives_the_encoder_that_was_written(encoder: torch.nn.Module) -> None:
    read = encoder_of(read_ct2(ct2_bytes(encoder), "x"), 2, "x")
    for name, tensor in encoder.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], tensor, rtol=0, atol=0)


def test_hidden_states_are_those_of_transformers(encoder: torch.nn.Module) -> None:
    mel = torch.randn(2, 80, 40, generator=torch.Generator().manual_seed(1))
    states = hidden_states(encoder, mel)  # type: ignore[arg-type]
    torch.testing.assert_close(states[:, -1], encoder(mel).last_hidden_state)
    assert states.shape == (2, 3, 20, 8)


def test_shorter_input_is_not_padded(encoder: torch.nn.Module) -> None:
    assert hidden_states(encoder, torch.randn(1, 80, 13)).shape == (1, 3, 7, 8)  # type: ignore[arg-type]


def test_log_mel_is_that_of_transformers() -> None:
    samples = np.random.default_rng(0).standard_normal(480_000).astype(np.float32) * 0.1
    theirs = WhisperFeatureExtractor()(samples, sampling_rate=16_000, return_tensors="pt")["input_features"]
    torch.testing.assert_close(LogMel(80)(torch.from_numpy(samples)[None]), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-3], "damaged at"),
        (lambda content: content[:40], "damaged at|cut short"),
        (lambda content: struct.pack("<I", 3) + content[4:], "version 3"),
        (lambda content: content.replace(b"WhisperSpec", b"WhimperSpec"), "WhimperSpec"),
    ],
)
def test_damaged_ct2_file_is_refused(change: object, message: str, encoder: torch.nn.Module) -> None:
    with pytest.raises(InputError, match=message):
        read_ct2(change(ct2_bytes(encoder)), "x")  # type: ignore[operator]


def test_missing_weights_are_named(encoder: torch.nn.Module) -> None:
    arrays = read_ct2(ct2_bytes(encoder), "x")
    del arrays["encoder/layer_1/ffn/linear_0/bias"]
    with pytest.raises(InputError, match=r"layers\.1\.fc1\.bias"):
        encoder_of(arrays, 2, "x")


def test_package_in_two_parts_is_found_without_importing_it(
    encoder: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ct2_bytes(encoder)
    for number, piece in enumerate((content[:1000], content[1000:])):
        (tmp_path / f"carrier{number}").mkdir()
        (tmp_path / f"carrier{number}" / "__init__.py").write_text("raise RuntimeError('imported')")
        (tmp_path / f"carrier{number}" / "part.bin").write_bytes(piece)
        information = tmp_path / f"carrier{number}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: carrier{number}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    parts = tuple((f"carrier{number}", f"carrier{number}/part.bin") for number in range(2))
    monkeypatch.setattr(whisper, "CARRIED", {"a/b": Carried(parts, hashlib.sha256(content).hexdigest(), 2)})
    read = load_encoder("a/b")
    torch.testing.assert_close(read.state_dict(), encoder.state_dict(), rtol=0, atol=0)
    monkeypatch.setattr(whisper, "CARRIED", {"a/b": Carried(parts, "0" * 64, 2)})
    with pytest.raises(InputError, match="carrier0, carrier1 have sha256"):
        load_encoder("a/b")
