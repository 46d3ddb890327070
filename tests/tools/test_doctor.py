"""Who could write to DVC's site cache."""

import os

import pytest

from reprise.tools.doctor import describe_packages, describe_site_cache, who_else_writes


@pytest.fixture
def own_folder(tmp_path):
    """A folder whose parents are private as well: pytest's lie in /tmp, which is sticky."""
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    return folder


def test_a_folder_of_ones_own_is_private(own_folder):
    assert who_else_writes(own_folder) is None
    assert who_else_writes(own_folder / "not yet there") is None


def test_open_folders_are_named(own_folder):
    shared = own_folder / "shared"
    inner = shared / "inner"
    inner.mkdir(parents=True)
    shared.chmod(0o777)
    assert who_else_writes(inner) == f"other users can write to {shared}"
    shared.chmod(0o1777)
    assert who_else_writes(inner) is None, "in a sticky folder nobody replaces what is another's"
    assert who_else_writes(shared) == f"other users can write to {shared}"
    assert who_else_writes(shared / "not yet there") == f"other users can write to {shared}"


@pytest.mark.skipif(os.getuid() != 0, reason="gives a folder to another user")
def test_a_folder_of_another_user_is_named(own_folder):
    os.chown(own_folder, 12345, 12345)
    assert who_else_writes(own_folder) == f"{own_folder} belongs to another user"


def test_the_doctor_reads_where_dvc_would_look(own_folder, monkeypatch):
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(own_folder))
    assert describe_site_cache() == ("DVC's site cache", f"{own_folder}: private")
    own_folder.chmod(0o777)
    assert "NOT PRIVATE" in describe_site_cache()[1]


def test_versions_are_those_installed():
    import torch

    assert ("torch", torch.__version__.partition("+")[0]) in [(n, v.partition("+")[0]) for n, v in describe_packages()]
