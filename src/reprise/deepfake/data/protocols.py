"""Protocol files: which utterance is natural and which is synthesised, in the layouts of the ASVspoof challenges.

| Columns | Layout | Example |
| --- | --- | --- |
| 3 | merged | `file.flac train bonafide` |
| 5 | ASVspoof 2019 LA (Wang et al. 2020) | `LA_0079 LA_T_1138215 - A01 spoof` |
| 8 | ASVspoof 2021 LA keys (Liu et al. 2023) | `LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval` |
| 10 | ASVspoof 5 (Wang et al. 2024) | `T_4850 T_0000000000 F - - - AC3 A05 spoof -` |
| 13 | ASVspoof 2021 DF keys | `LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim eval vocoder - - - -` |
"""

import dataclasses
from pathlib import Path

from reprise.core.errors import InputError

SPLITS = ("train", "dev", "eval")
KEYS = ("bonafide", "spoof")
UNKNOWN = "-"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where a layout has its columns; None: it lacks them."""

    name: str
    speaker: int | None
    utterance: int
    attack: int | None
    key: int
    split: int | None = None


LAYOUTS = {
    3: Layout("merged", None, 0, None, 2, 1),
    5: Layout("ASVspoof 2019", 0, 1, 3, 4),
    8: Layout("ASVspoof 2021 LA", 0, 1, 4, 5),
    10: Layout("ASVspoof 5", 0, 1, 7, 8),
    13: Layout("ASVspoof 2021 DF", 0, 1, 4, 5),
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """One line of a protocol.

    Attributes:
        utterance: name of the recording, with or without extension.
        speaker: or "-" where the layout does not say.
        attack: of a spoof, such as A01 ("spoof" where the layout does not say); "-" for natural speech.
        spoof: whether it is synthesised.
        line: in the file, from 1.
    """

    utterance: str
    speaker: str
    attack: str
    spoof: bool
    line: int


def read_protocol(path: Path, split: str) -> list[Trial]:
    """Read the trials of a split.

    Args:
        path: the file; a merged one may hold all splits.
        split: which one.

    Raises:
        InputError: missing, an unknown layout, key or split, an utterance twice, no trial, or natural or synthesised
            ones alone.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such protocol file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    trials = [trial for number, line in enumerate(lines, 1) if (trial := parse_line(path, number, line, split))]
    seen: dict[str, int] = {}
    for trial in trials:
        if trial.utterance in seen:
            raise InputError(
                f"{path}:{trial.line}: utterance {trial.utterance!r} stands in line {seen[trial.utterance]}"
            )
        seen[trial.utterance] = trial.line
    if not trials:
        raise InputError(f"{path}: no trial of the split {split}")
    if len({trial.spoof for trial in trials}) == 1:
        raise InputError(f"{path}: the split {split} has {KEYS[trials[0].spoof]} utterances alone; expected both kinds")
    return trials


def parse_line(path: Path, number: int, line: str, split: str) -> Trial | None:
    """Parse one line; None where it is blank or of another split.

    Raises:
        InputError: as `read_protocol` says of lines.
    """
    columns = line.split()
    if not columns:
        return None
    layout = LAYOUTS.get(len(columns))
    if layout is None:
        known = ", ".join(f"{count} ({layout.name})" for count, layout in LAYOUTS.items())
        raise InputError(f"{path}:{number}: {len(columns)} columns; expected {known}")
    key = columns[layout.key]
    if key not in KEYS:
        raise InputError(f"{path}:{number}: key {key!r} in column {layout.key + 1}; expected bonafide or spoof")
    if layout.split is not None:
        if columns[layout.split] not in SPLITS:
            raise InputError(f"{path}:{number}: split {columns[layout.split]!r}; expected {', '.join(SPLITS)}")
        if columns[layout.split] != split:
            return None
    spoof = key == "spoof"
    attack = UNKNOWN if layout.attack is None else columns[layout.attack]
    return Trial(
        columns[layout.utterance],
        UNKNOWN if layout.speaker is None else columns[layout.speaker],
        ("spoof" if attack in (UNKNOWN, "bonafide") else attack) if spoof else UNKNOWN,
        spoof,
        number,
    )
