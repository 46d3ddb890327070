"""What a person dropped on the page: names as they gave them, and the files of a folder that count."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from reprise.core.errors import InputError


@contextlib.contextmanager
def named_as_given(path: Path) -> Iterator[None]:
    """Have an InputError call a file by its own name, instead of by the place where the upload lies.

    Raises:
        InputError: the block's, with the name in it.
    """
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), path.name)) from None


def files_of_folder(paths: Sequence[Path], extensions: Sequence[str]) -> list[Path]:
    """Of all files of a folder, those that count, by name, as the commands list a folder.

    Raises:
        InputError: there is none.
    """
    found = sorted(path for path in paths if path.suffix.lower() in extensions)
    if not found:
        raise InputError(f"none of the folder's {len(paths)} files is named {', '.join(extensions)}")
    return found
