"""Folders to run stages in: an empty one, and one in which all have run."""

import contextlib
from pathlib import Path

import pytest

from tests.conftest import write_params
from tests.documents.helpers import tiny, write_own


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tiny())
    return tmp_path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.documents.all_stages import own, run_all

    folder = tmp_path_factory.mktemp("documents")
    with contextlib.chdir(folder):
        write_own()
        run_all(own())
    return folder


@pytest.fixture
def in_finished(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    return finished
