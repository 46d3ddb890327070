"""Places: a folder of the disk and one of fsspec's store in memory answer alike."""

import os
import pickle
import uuid

import pytest

from reprise.bulk import storage
from reprise.bulk.storage import Place
from reprise.core.errors import InputError


@pytest.fixture(params=["disk", "store"])
def place(request, tmp_path, monkeypatch):
    """An empty folder."""
    monkeypatch.setattr(storage, "PROTOCOLS", ("memory",))
    if request.param == "disk":
        return Place(str(tmp_path / "place"))
    return Place(f"memory://{uuid.uuid4().hex}/place/")


def test_what_is_written_is_read(place):
    place.write("a/one.bin", b"0123456789")
    place.write_lines("lines.txt", iter([b"a", b"b"]))
    place.write("lines.txt.old", b"")
    assert place.read("a/one.bin", 2, 5) == b"234"
    assert place.version("a/one.bin").startswith("10 bytes, ")
    with place.open("lines.txt") as file:
        assert file.read() == b"a\nb\n"
    assert {"lines.txt", "lines.txt.old"} <= place.names() <= {"a", "lines.txt", "lines.txt.old"}
    assert list(place.walk()) == [("", ["lines.txt", "lines.txt.old"]), ("a", ["one.bin"])]
    assert place.is_folder()
    assert place.exists("lines.txt")


def test_a_place_travels(place):
    place.write("file", b"x")
    there = pickle.loads(pickle.dumps(place))
    assert there.path("file") == place.path("file")
    assert there.read("file", 0, 1) == b"x"


def test_what_is_not_there_is_one_line(place):
    assert place.names() == set()
    assert not place.exists("none")
    for call in (place.open, place.version, lambda name: place.read(name, 0, 1)):
        with pytest.raises(InputError, match=r"none: no such file or folder"):
            call("none")
    with pytest.raises(InputError, match="no such folder on this machine"):
        place.refuse_missing_folder()
    place.write("short", b"ab")
    with pytest.raises(InputError, match="short: shorter than when the run began"):
        place.read("short", 0, 5)


def test_files_are_at_hand_for_the_length_of_a_block(place):
    place.write("a.png", b"a")
    place.write("sub/b.png", b"b")
    with place.local_copies(["sub/b.png", "none.png", "a.png"]) as paths:
        assert [path.read_bytes() if path.exists() else None for path in paths] == [b"b", None, b"a"]
        assert {path.suffix for path in paths} == {".png"}
    assert paths[0].exists() != place.remote, "copies are removed"


def test_a_file_is_whole_or_absent(tmp_path, monkeypatch):
    place = Place(str(tmp_path))
    place.write("file", b"before")

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device", "file")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        place.write("file", b"after")
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208
    assert (tmp_path / "file").read_bytes() == b"before"


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(InputError, match="gs://bucket/x: expected a path, or an address that starts with s3://"):
        Place("gs://bucket/x")


def test_a_relative_path_is_that_of_this_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Place("a").address == str(tmp_path / "a")


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch):
    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        list(Place(str(tmp_path)).walk())


def test_a_linked_folder_is_refused_and_a_linked_file_or_root_is_not(tmp_path):
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "page.png").touch()
    (folder / "a/page.png").symlink_to(tmp_path / "page.png")
    (tmp_path / "root").symlink_to(folder)
    for root in (folder, tmp_path / "root"):
        assert list(Place(str(root)).walk()) == [("", []), ("a", ["page.png"])]
    (folder / "b").symlink_to(folder)
    with pytest.raises(InputError, match="folder/b: a link to a folder, which is not followed; put the folder itself"):
        list(Place(str(folder)).walk())
