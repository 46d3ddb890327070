"""A folder in which all of the task's stages have run, shared by the tests that read it."""

import contextlib
from pathlib import Path

import pytest

from tests.conftest import tiny_params, write_params


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> Path:
    from tests.taxonomy.all_stages import ALL, run

    folder = tmp_path_factory.mktemp("finished")
    write_params(folder, tiny_params(encoder_folder))
    with contextlib.chdir(folder):
        run(ALL)
    return folder


@pytest.fixture
def in_finished(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(finished)
    return finished
