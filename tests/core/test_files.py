import numpy as np
import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.files import (
    atomic_path,
    hash_bytes,
    load_model,
    new_npy,
    read_checked_json,
    read_json,
    read_npy,
    read_parquet,
    save_model,
    write_checked_json,
    write_json,
    write_npy,
)

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16), "c": torch.tensor(3)}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"new": float("nan")})
    with pytest.raises(RuntimeError, match="disk"), atomic_path(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError("disk")
    assert read_json(path) == {"old": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["value.json"]


def test_arrays_come_back(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_npy(tmp_path / "a.npy", array)
    with new_npy(tmp_path / "b.npy", (3, 4), "float32") as mapped:
        mapped[:] = array
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert np.array_equal(read_npy(tmp_path / "b.npy"), array)


@pytest.mark.parametrize("reader", [read_json, read_npy, read_parquet, load_model])
def test_missing_and_truncated_files_are_named(tmp_path, reader):
    path = tmp_path / "file.dat"
    with pytest.raises(InputError, match=r"file\.dat: no such file"):
        reader(path)
    path.write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(InputError, match=r"file\.dat: not"):
        reader(path)


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


def test_lists_of_parts_do_not_share_a_hash():
    assert len({hash_bytes(b"ab", b"c"), hash_bytes(b"a", b"bc"), hash_bytes(b"abc"), hash_bytes()}) == 4


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
