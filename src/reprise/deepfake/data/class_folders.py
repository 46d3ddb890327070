"""Recordings in folders `real/` and `fake/`, without a protocol.

`real/<speaker>/...` and `fake/<attack>/...`, both optional below the first folder; a folder of a spoof that is called
like a speaker of natural speech is its speaker. `train/`, `dev/`, `eval/` (or `training/`, ...) before them are splits.
A `meta.csv` of MLAAD beside spoofs says their system and speaker.
"""

from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.deepfake.data.audio import list_recordings
from reprise.deepfake.data.metadata import (
    NATURAL,
    SPLIT_NAMES,
    SYNTHESISED,
    read_header,
    read_metadata,
    read_split,
    reader_of,
)
from reprise.deepfake.data.protocols import SPLITS, UNKNOWN, Trial, check_name

EXPECTED = "expected a protocol file, or folders real/ and fake/ in it"


def read_class_folders(folder: Path) -> list[tuple[Trial, str | None]]:
    """List the recordings below `real/` and `fake/`, by name, each with its split where a folder says so.

    Raises:
        InputError: a recording lies in neither or in both, a name that no protocol could hold, or a bad meta.csv.
    """
    found = [(path, *place_of(path, folder)) for path in list_recordings(folder)]
    speakers = {speaker_of(below) for _, spoof, _, below in found if not spoof} - {UNKNOWN}
    described = {
        (directory / Path(trial.utterance).name): trial
        for directory in sorted({path.parent for path, spoof, _, _ in found if spoof})
        for trial in read_mlaad(directory / "meta.csv")
    }
    trials = []
    for path, spoof, split, below in found:
        utterance, where = compose_name(path.relative_to(folder).as_posix()), str(path)
        check_name(utterance, where)
        about = described.get(path.with_name(compose_name(path.name)))
        speaker, attack = (about.speaker, about.attack) if about else describe(below, spoof, speakers)
        trials.append((Trial(utterance, speaker, attack, spoof, where), split))
    return trials


def place_of(path: Path, folder: Path) -> tuple[bool, str | None, list[str]]:
    """Whether a recording is a spoof, its split, and the folders below `real/` or `fake/`.

    Raises:
        InputError: it lies in neither.
    """
    parts = [compose_name(part) for part in path.relative_to(folder).parent.parts]
    kinds = [part.lower() in SYNTHESISED for part in parts if part.lower() in (*NATURAL, *SYNTHESISED)]
    if not kinds:
        raise InputError(f"{folder}: a folder, in which {path} lies in neither; {EXPECTED}")
    at = next(index for index, part in enumerate(parts) if part.lower() in (*NATURAL, *SYNTHESISED))
    splits = [part for part in parts[:at] if part.lower() in (*SPLITS, *SPLIT_NAMES)]
    return kinds[0], read_split(splits[0], str(path)) if splits else None, parts[at + 1 :]


def speaker_of(below: list[str]) -> str:
    """Speaker of natural speech by its folders below `real/`."""
    return reader_of("/".join([*below, ""])) or (below[0] if below else UNKNOWN)


def describe(below: list[str], spoof: bool, speakers: set[str]) -> tuple[str, str]:
    """Speaker and attack by the folders below `real/` or `fake/`."""
    if not spoof:
        return speaker_of(below), UNKNOWN
    speaker = next((part for part in below if part in speakers), UNKNOWN)
    return speaker, "/".join(part for part in below if part != speaker) or "spoof"


def read_mlaad(path: Path) -> list[Trial]:
    """Read a meta.csv that lies beside spoofs; none where it is no table of recordings."""
    header = read_header(path)
    return [trial for trial, _ in read_metadata(path, header)] if header else []
