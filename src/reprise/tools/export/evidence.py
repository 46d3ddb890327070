"""What a model card says of data and figures, from dvc.lock, headlines.yaml and metrics/."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError
from reprise.tools.headlines import Headline, figure_of, read_headlines, stored_interval
from reprise.tools.lock import LOCK, Record, stages_of, writer_of
from reprise.tools.repository import WORKSPACE, look_up


@dataclasses.dataclass(frozen=True)
class Source:
    """A file or folder that a task's data was prepared from, as dvc.lock records it.

    Attributes:
        path: in the repository.
        md5: DVC's, of a folder the one of its list of files.
        size: bytes.
        files: how many.
    """

    path: str
    md5: str
    size: int
    files: int


@dataclasses.dataclass(frozen=True)
class Figure:
    """A headline figure.

    Attributes:
        headline: which.
        value: measured.
        interval: 95 %, where the stage stored one.
        first: whether it leads the task's headlines, also those that are left out; its kind is the task's metric.
    """

    headline: Headline
    value: float
    interval: tuple[float, float] | None
    first: bool


def read_lock() -> Mapping[str, Record]:
    """Read dvc.lock.

    Raises:
        InputError: there is none.
    """
    text = WORKSPACE.read(LOCK)
    if text is None:
        raise InputError(
            f"{LOCK}: no such file, which says what the models were made of; run from the root, after `dvc repro`"
        )
    return stages_of(text)


def sources_of(task: str, lock: Mapping[str, Record]) -> list[Source]:
    """What the stage `<task>-prepare` read."""
    entries: Iterable[Mapping[str, Any]] = lock.get(f"{task}-prepare", {}).get("deps") or []
    return [
        Source(entry["path"], str(entry.get("md5", "")), int(entry.get("size", 0)), int(entry.get("nfiles", 1)))
        for entry in entries
    ]


def figures_of(task: str, lock: Mapping[str, Record]) -> list[Figure]:
    """The task's headline figures; each file is compared with dvc.lock.

    Figures that the data does not give are left out: without test labels, say, a stage writes its file without them.

    Raises:
        InputError: a file of figures is missing, or is not what a stage wrote.
    """
    figures = []
    for number, headline in enumerate(each for each in read_headlines() if each.task == task):
        # Before the figure is looked up: a file that is stale or gone would pass for one without the figure.
        refuse_unrecorded(headline.file, lock)
        if (value := figure_of(WORKSPACE, headline)) is not None:
            figures.append(Figure(headline, value, stored_interval(WORKSPACE, headline), number == 0))
    return figures


def refuse_unrecorded(path: Path, lock: Mapping[str, Record]) -> None:
    """Compare a file with dvc.lock, so that models, figures and data belong together.

    A file inside a folder that a stage wrote is not compared: DVC's checksum is the folder's.

    Raises:
        InputError: it is missing, no stage wrote it, or it changed since.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; run `dvc repro`")
    stage = writer_of(lock, path.as_posix())
    if stage is None:
        raise InputError(f"{path}: no stage in {LOCK} wrote it; run `dvc repro`")
    for entry in lock[stage]["outs"]:
        if entry["path"] == path.as_posix() and entry.get("md5") != md5_of(path):
            raise InputError(f"{path}: not the file that {LOCK} records; run `dvc repro`, so that all belongs together")


def md5_of(path: Path) -> str:
    """DVC's checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def counts_of(task: str, keys: Mapping[str, str]) -> dict[str, int]:
    """Counts that the prepare stage wrote: label -> number; those that are not there are left out."""
    text = WORKSPACE.read(Path("metrics", task, "data.json"))
    found = {label: look_up(text, key) for label, key in keys.items()}
    return {
        label: value if isinstance(value, int) else len(value) for label, value in found.items() if value is not None
    }
