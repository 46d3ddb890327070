"""Uploads are called by their own names."""

from pathlib import Path

import pytest

from reprise.core.errors import InputError
from reprise.tools.demo.examples import spread
from reprise.tools.demo.uploads import files_of_folder, named_as_given


def test_an_error_names_the_file_and_not_where_it_lies():
    path = Path("/somewhere/3f2a/scan.png")
    with pytest.raises(InputError, match=r"^scan\.png: empty file$"), named_as_given(path):
        raise InputError(f"{path}: empty file")


def test_of_a_folder_the_known_files_count():
    paths = [Path("b/2.JPG"), Path("b/notes.txt"), Path("a/1.png")]
    assert files_of_folder(paths, (".png", ".jpg")) == [Path("a/1.png"), Path("b/2.JPG")]
    with pytest.raises(InputError, match=r"^none of the folder's 1 files is named \.png, \.jpg$"):
        files_of_folder(paths[1:2], (".png", ".jpg"))


@pytest.mark.parametrize(("length", "expected"), [(0, []), (2, [0, 1]), (3, [0, 1, 2]), (7, [0, 2, 4]), (9, [0, 3, 6])])
def test_examples_are_spread(length, expected):
    assert spread(range(length), 3) == expected
