import logging

import numpy as np
import pytest

from reprise.core.kept import kept_array

ROWS = np.arange(12, dtype=np.float16).reshape(3, 4)


class Counted:
    """Gives ROWS, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return ROWS


def test_an_array_is_computed_once(tmp_path):
    compute = Counted()
    for _ in range(3):
        rows = kept_array(tmp_path / "new/rows.npy", compute)
        assert rows.dtype == ROWS.dtype
        assert (rows == ROWS).all()
    assert compute.calls == 1


def flip_a_bit(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize("damage", [flip_a_bit, lambda content: content[:-5], lambda content: b""])
@pytest.mark.parametrize("name", ["rows.npy", "rows.sha256"])
def test_a_damaged_entry_is_computed_again_with_one_line(tmp_path, caplog, damage, name):
    compute = Counted()
    kept_array(tmp_path / "rows.npy", compute)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING, "reprise"):
        assert (kept_array(tmp_path / "rows.npy", compute) == ROWS).all()
    assert compute.calls == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'rows.npy'}: a damaged cache entry; it is computed again"
    ]
    caplog.clear()
    kept_array(tmp_path / "rows.npy", compute)
    assert compute.calls == 2
    assert not caplog.records


def test_an_entry_without_its_checksum_is_computed_again(tmp_path):
    compute = Counted()
    kept_array(tmp_path / "rows.npy", compute)
    (tmp_path / "rows.sha256").unlink()  # as after a kill between the two writes
    kept_array(tmp_path / "rows.npy", compute)
    assert compute.calls == 2
