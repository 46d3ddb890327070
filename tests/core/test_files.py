import os
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

from reprise.core.errors import InputError
from reprise.core.files import (
    atomic_path,
    fingerprint,
    hash_bytes,
    new_npy,
    read_json,
    read_npy,
    read_parquet,
    write_json,
    write_npy,
    write_text,
)
from reprise.core.models import load_model

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


def test_lists_of_parts_do_not_share_a_hash():
    assert len({hash_bytes(b"ab", b"c"), hash_bytes(b"a", b"bc"), hash_bytes(b"abc"), hash_bytes()}) == 4


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path):
    path, dead = tmp_path / "value.json", 2**22 + 1  # above Linux's largest process number
    mine = tmp_path / f".value.json.{platform.node()}.{os.getpid()}.abc.json"
    left = tmp_path / f".value.json.{platform.node()}.{dead}.abc.json"
    mine.touch()
    left.touch()
    write_json(path, {})
    assert sorted(tmp_path.iterdir()) == sorted([mine, path])


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[" * 100_000])
def test_json_that_python_alone_would_take_is_refused(tmp_path, text):
    path = tmp_path / "value.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"value\.json: not valid JSON"):
        read_json(path)


def test_a_fingerprint_holds_contents_names_and_values(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = fingerprint(folder, "fold 0")
    assert first == fingerprint(folder, "fold 0") != fingerprint(folder, "fold 1")
    (folder / "a").rename(folder / "b")
    second = fingerprint(folder, "fold 0")
    (folder / "b").write_text("2")
    assert len({first, second, fingerprint(folder, "fold 0")}) == 3
    with pytest.raises(InputError, match="no such file or folder"):
        fingerprint(tmp_path / "none")


@pytest.mark.parametrize("name", ["x" * 251 + ".txt", "é" * 125 + ".txt", "a." + "b" * 253])
def test_a_name_as_long_as_the_system_takes_is_written(tmp_path, name):
    write_text(tmp_path / name, "whole")
    assert (tmp_path / name).read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_device_that_never_ends_is_no_file():
    for device in ("/dev/zero", "/dev/urandom"):
        with pytest.raises(InputError, match=f"^{device}: a device; expected a file$"):
            read_json(Path(device))
