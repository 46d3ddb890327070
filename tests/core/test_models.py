import json

import pytest
import torch
from safetensors.torch import save_file

from reprise.core.errors import InputError
from reprise.core.files import (
    hash_bytes,
)
from reprise.core.models import (
    METADATA_KEY,
    hash_tensors,
    load_model,
    read_checked_json,
    save_model,
    write_checked_json,
)

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16), "c": torch.tensor(3)}


def test_a_model_comes_back_with_its_description(tmp_path):
    save_model(tmp_path / "m.safetensors", TENSORS, {"recipe": {"lr": 0.1}})
    tensors, metadata = load_model(tmp_path / "m.safetensors")
    assert metadata == {"recipe": {"lr": 0.1}}
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_the_same_model_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_model(tmp_path / name, dict(reversed(TENSORS.items())) if name == "b" else TENSORS, {"x": 1, "y": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("place", [0.3, 0.9, 0.999])
def test_a_flipped_bit_is_refused(tmp_path, place):
    path = tmp_path / "m.safetensors"
    save_model(path, TENSORS, {"note": "x" * 50})
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    try:
        tensors, metadata = load_model(path)
    except InputError as error:
        assert "m.safetensors: " in str(error)  # noqa: PT017 -- either outcome is checked
    else:  # a bit of the description, which says itself what it is
        assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
        assert metadata != {"note": "x" * 50}


def test_a_truncated_model_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_model(path)


@pytest.mark.parametrize("reader", [load_model, read_checked_json])
def test_every_flipped_byte_and_every_cut_is_refused(tmp_path, reader):
    path, description = tmp_path / "file", {"recipe": {"lr": 0.1, "name": "é"}, "classes": ["a", "b"]}
    if reader is load_model:
        save_model(path, {"w": torch.arange(4.0)}, description)
    else:
        write_checked_json(path, description)
    content = path.read_bytes()
    for place in range(len(content)):
        for changed in (content[:place], content[:place] + bytes([content[place] ^ 0x04]) + content[place + 1 :]):
            path.write_bytes(changed)
            if changed.strip() == content.strip():
                continue  # without its last line's end it says the same
            with pytest.raises(InputError, match="file: "):
                reader(path)


def test_checked_values_come_back(tmp_path):
    write_checked_json(tmp_path / "file", {"folds": [0, 1], "by_number": {"1": 0.5}})
    assert read_checked_json(tmp_path / "file") == {"folds": [0, 1], "by_number": {"1": 0.5}}


def test_weights_that_are_no_numbers_are_refused_at_both_ends(tmp_path):
    path = tmp_path / "m.safetensors"
    bad = {"a": torch.tensor([1.0, torch.inf])}
    with pytest.raises(InputError, match=r"m\.safetensors: a: a weight is NaN or infinite"):
        save_model(path, bad, {})
    assert not path.exists()
    checksum = hash_bytes(hash_tensors(bad).encode(), b"{}")
    save_file(bad, path, metadata={METADATA_KEY: json.dumps({"sha256": checksum})})
    with pytest.raises(InputError, match=r"m\.safetensors: a: a weight is NaN or infinite"):
        load_model(path)


def test_a_description_nested_a_thousand_deep_is_one_line(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={METADATA_KEY: "[" * 100_000})
    with pytest.raises(InputError, match=r"m\.safetensors: "):
        load_model(path)
