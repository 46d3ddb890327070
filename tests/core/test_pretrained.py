"""Weights that a package carries: found without importing it, refused where they are not the ones expected."""

import sys
from pathlib import Path

import pytest

from reprise.core import pretrained
from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.core.pretrained import PackagedFile, packaged_weights

NAME = "owner/model"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that cannot be imported, with a data file; returns the file."""
    folder = tmp_path / "site" / "carrier_of_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    path = folder / "models" / "weights.bin"
    path.write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path / "site")
    file = PackagedFile("carrier-of-weights", "carrier_of_weights", "models/weights.bin", hash_file(path))
    monkeypatch.setitem(pretrained.PACKAGED, NAME, file)
    return path


def test_file_is_found_and_nothing_imported(package: Path) -> None:
    assert packaged_weights(NAME) == package
    assert "carrier_of_weights" not in sys.modules


def test_other_models_and_absent_packages_are_the_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packaged_weights("owner/another") is None
    monkeypatch.setitem(pretrained.PACKAGED, NAME, PackagedFile("absent", "absent_package", "weights.bin", "0"))
    assert packaged_weights(NAME) is None


def test_changed_file_is_refused(package: Path) -> None:
    package.write_bytes(b"other weights")
    with pytest.raises(InputError, match=r"weights.bin: sha256 .*, expected .*another version of carrier-of-weights"):
        packaged_weights(NAME)


def test_missing_file_is_refused(package: Path) -> None:
    package.unlink()
    with pytest.raises(InputError, match="missing; reinstall the package carrier-of-weights"):
        packaged_weights(NAME)
