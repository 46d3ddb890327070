"""Processes of tests start with the libraries."""

import sys

from tests.processes import in_process


def exit_with_libraries() -> None:
    sys.exit("lightning.pytorch" in sys.modules and "timm" in sys.modules)


def test_a_process_has_the_libraries_wherever_the_test_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert in_process(exit_with_libraries) == 1
