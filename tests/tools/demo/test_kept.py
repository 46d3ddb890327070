"""What is kept in memory is made anew when a file changes."""

import itertools
import os

import pytest

from reprise.core.errors import InputError
from reprise.tools.demo.kept import Kept


def test_it_is_made_once_until_a_file_changes(tmp_path):
    folder, single = tmp_path / "models", tmp_path / "params.yaml"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/weights").write_text("a")
    numbers = itertools.count(1)
    kept = Kept(lambda: next(numbers), [folder, single])
    assert (kept.get(), kept.get()) == (1, 1)
    (folder / "deep/weights").write_text("bb")
    assert (kept.get(), kept.get()) == (2, 2)
    os.utime(folder / "deep/weights", ns=(1, 1))
    assert kept.get() == 3
    single.write_text("seed: 1")
    assert kept.get() == 4
    single.unlink()
    assert kept.get() == 5


def test_a_failure_is_not_kept(tmp_path):
    weights = tmp_path / "weights"

    def make():
        if not weights.exists():
            raise InputError("no such file")
        return weights.read_text()

    kept = Kept(make, [weights])
    with pytest.raises(InputError):
        kept.get()
    weights.write_text("there")
    assert kept.get() == "there"
