"""Processes of tests start with the libraries."""

import sys

from tests.processes import in_process

FOUND = 7  # no code that Python exits with by itself


def exit_with_libraries() -> None:
    sys.exit(FOUND if {"lightning.pytorch", "timm"} <= sys.modules.keys() else 0)


def test_a_process_has_the_libraries_wherever_the_test_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert in_process(exit_with_libraries) == FOUND
