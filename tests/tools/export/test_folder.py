"""Folders that appear whole or not at all, and replace nothing that a person made."""

import os

import pytest

from reprise.core.errors import InputError
from reprise.tools.export.folder import MANIFEST, files_in, new_folder, read_manifest, refuse_other, write_manifest


def export(folder, text="1", force=False):
    with new_folder(folder, force) as new:
        (new / "a").mkdir()
        (new / "a/model").write_text(text)
        write_manifest(new, "documents", {})


def test_an_export_is_replaced_by_the_next_and_leaves_nothing_beside(tmp_path):
    export(tmp_path / "deep/out")
    export(tmp_path / "deep/out", "2")
    assert files_in(tmp_path / "deep/out") == ["a/model", MANIFEST]
    assert (tmp_path / "deep/out/a/model").read_text() == "2"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert list(read_manifest(tmp_path / "deep/out").files) == ["a/model"]


def test_the_folder_can_be_read_by_others(tmp_path):
    export(tmp_path / "out")
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def fail_midway(folder):
    with new_folder(folder, False) as new:
        (new / "half").write_text("")
        raise InputError("no")


def test_a_failed_export_leaves_no_folder_and_keeps_an_earlier_one(tmp_path):
    with pytest.raises(InputError, match="no"):
        fail_midway(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    export(tmp_path / "out")
    with pytest.raises(InputError, match="no"):
        fail_midway(tmp_path / "out")
    assert (tmp_path / "out/a/model").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    leftover = tmp_path / f".out.{os.uname().nodename}.999999999.x"
    leftover.mkdir()
    export(tmp_path / "out")
    assert not leftover.exists()


def test_other_folders_are_refused(tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    refuse_other(other, False)  # empty
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"other: not empty, and no earlier export; --force replaces it"):
        export(other)
    export(other, force=True)
    (other / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds files that are not of an export: notes.txt; --force deletes them"):
        export(other)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: a file; expected the name of a folder"):
        export(tmp_path / "file")
    monkeypatch.chdir(other / "a")
    for folder in (other / "a", other):
        with pytest.raises(InputError, match="the working folder is in it"):
            export(folder, force=True)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/out: cannot be made: "):
        export(tmp_path / "file/out")
