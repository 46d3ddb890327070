"""Tables of recordings with a header: In-the-Wild's meta.csv, MLAAD's, and tables of one's own.

| Source | Columns |
| --- | --- |
| In-the-Wild (Müller et al., Interspeech 2022) | `file,speaker,label`; labels `bona-fide` and `spoof` |
| MLAAD (Müller et al., IJCNN 2024) | `path|original_file|...|model_name|architecture|...`; all are spoofs |
| others | file and label, speaker, attack and split where there are any, under one of the names below |
"""

import csv
import dataclasses
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.deepfake.data.protocols import SPLITS, UNKNOWN, Trial, check_name

COLUMNS = {  # what a column is -> how people call it; the first that is there counts
    "file": ("file", "path", "filename", "file_name", "filepath", "file_path", "audio", "wav", "utterance"),
    "speaker": ("speaker", "speaker_id", "spk"),
    "label": ("label", "key", "class", "target", "bonafide_spoof"),
    "attack": ("attack", "attack_id", "system", "system_id", "model_name", "generator", "vocoder", "architecture"),
    "split": ("split", "subset", "partition"),
    "original": ("original_file",),
}
DELIMITERS = (",", "|", "\t", ";")
NATURAL = ("bonafide", "bona-fide", "bona_fide", "bona fide", "real", "genuine", "natural", "human")
SYNTHESISED = ("spoof", "spoofed", "fake", "deepfake", "synthetic", "synthesised", "synthesized")
SPLIT_NAMES = {
    "training": "train",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "test": "eval",
    "testing": "eval",
}


@dataclasses.dataclass(frozen=True)
class Header:
    """How a table is laid out.

    Attributes:
        delimiter: between its columns.
        places: number of each column of COLUMNS that is there.
        width: how many columns there are.
    """

    delimiter: str
    places: dict[str, int]
    width: int


def read_header(path: Path) -> Header | None:
    """Recognise a table by its first line; None where it names no file, or neither a label nor MLAAD's columns.

    Raises:
        InputError: two columns have one name that is looked for.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(100_000)
    except (OSError, UnicodeDecodeError):
        return None
    for delimiter in DELIMITERS:
        names = [name.strip().strip('"').lower() for name in line.split(delimiter)]
        places = {}
        for meaning, known in COLUMNS.items():
            if name := next((each for each in known if each in names), None):
                if names.count(name) > 1:
                    raise InputError(f"{path}:1: column {name!r} is there {names.count(name)} times")
                places[meaning] = names.index(name)
        if "file" in places and ("label" in places or {"original", "attack"} <= places.keys()):
            return Header(delimiter, places, len(names))
    return None


def read_metadata(path: Path, header: Header) -> list[tuple[Trial, str | None]]:
    """Read the rows of a table, each with its split where the table says so.

    Raises:
        InputError: not CSV, too many or too few values, an empty one, a label or split that is not known.
    """
    rows: list[tuple[Trial, str | None]] = []
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=header.delimiter, skipinitialspace=True, strict=True)
            next(reader)
            line = reader.line_num + 1
            for row in reader:
                if row:
                    rows.append(read_row([value.strip() for value in row], header, f"{path}:{line}"))
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise InputError(f"{path}:{line}: not CSV: {error}") from None
    return rows


def read_row(values: list[str], header: Header, where: str) -> tuple[Trial, str | None]:
    """Read one row as a trial and its split.

    Raises:
        InputError: as `read_metadata` says of rows.
    """
    if len(values) != header.width:
        raise InputError(f"{where}: {len(values)} values; expected {header.width}, as in line 1")
    cells = {meaning: values[place] for meaning, place in header.places.items()}
    spoof = True if "label" not in cells else read_label(cells["label"], where)
    original = cells.get("original", "")
    speaker = cells.get("speaker") or reader_of(original) or UNKNOWN
    attack = cells.get("attack", "")
    utterance = cells["file"].replace("\\", "/").removeprefix("./")
    for name in (utterance, speaker, *([attack] if attack else [])):
        check_name(name, where)
    attack = "spoof" if attack.lower() in ("", UNKNOWN, *NATURAL) else attack
    return (
        Trial(compose_name(utterance), compose_name(speaker), attack if spoof else UNKNOWN, spoof, where),
        read_split(cells["split"], where) if "split" in cells else None,
    )


def read_label(text: str, where: str) -> bool:
    """Whether a label says spoof.

    Raises:
        InputError: it is no known label; numbers are none, since some count natural speech as 1 and some as 0.
    """
    if text.lower() in NATURAL:
        return False
    if text.lower() in SYNTHESISED:
        return True
    raise InputError(f"{where}: label {text!r}; expected {', '.join(NATURAL)}, or {', '.join(SYNTHESISED)}")


def read_split(text: str, where: str) -> str:
    """Read a split under one of its names.

    Raises:
        InputError: it is none.
    """
    split = SPLIT_NAMES.get(text.lower(), text.lower())
    if split not in SPLITS:
        raise InputError(f"{where}: split {text!r}; expected {', '.join((*SPLITS, *SPLIT_NAMES))}")
    return split


def reader_of(path: str) -> str | None:
    """Speaker of a recording of M-AILABS, `en_US/by_book/female/<speaker>/<book>/wavs/x.wav`; MLAAD is made of them."""
    parts = path.split("/")
    if "by_book" not in parts:
        return None
    return next(iter(parts[parts.index("by_book") + 2 : -1]), None)
