"""Protocol files: which utterance is natural and which is synthesised, in the layouts of the ASVspoof challenges.

| Columns | Layout | Example |
| --- | --- | --- |
| 3 | merged | `file.flac train bonafide` |
| 5 | ASVspoof 2019 LA (Wang et al. 2020) | `LA_0079 LA_T_1138215 - A01 spoof` |
| 8 | ASVspoof 2021 LA keys (Liu et al. 2023) | `LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval` |
| 10 | ASVspoof 5 (Wang et al. 2024) | `T_4850 T_0000000000 F - - - AC3 A05 spoof -` |
| 13 | ASVspoof 2021 DF keys | `LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim eval vocoder - - - -` |

Columns are separated by spaces, or by tabs where a name holds spaces. Names that look the same are the same: they are
compared in Unicode's composed form (NFC).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.files import refuse_device
from reprise.core.text import compose_name

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
        where: the line, as errors name it: `train.txt:17`.
    """

    utterance: str
    speaker: str
    attack: str
    spoof: bool
    where: str


def refuse_shared_utterances(trials: Mapping[str, Sequence[Trial]]) -> None:
    """Check that no utterance is in two splits.

    Raises:
        InputError: one is; the line names both places.
    """
    seen: dict[str, tuple[str, Trial]] = {}
    for split, part in trials.items():
        for trial in part:
            if trial.utterance in seen:
                other, first = seen[trial.utterance]
                raise InputError(f"{trial.where}: utterance {trial.utterance!r} is in {other} too ({first.where})")
            seen[trial.utterance] = split, trial


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a text file, such as a protocol, with their numbers, from 1.

    Raises:
        InputError: missing, a folder, a device, not readable, or not UTF-8.
    """
    refuse_device(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder; expected a text file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    return list(enumerate(text.split("\n"), 1))  # not splitlines(): it breaks lines at characters that names may hold


def names_splits(path: Path) -> bool:
    """Whether a protocol says for each line of which split it is, judged by its first one."""
    first = next((line for _, line in read_lines(path) if line.strip()), "")
    layout = LAYOUTS.get(len(split_columns(first)))
    return layout is not None and layout.split is not None


def read_protocol(path: Path, split: str) -> list[Trial]:
    """Read the trials of a split.

    Args:
        path: the file; a merged one may hold all splits.
        split: which one.

    Raises:
        InputError: missing, an unknown layout, key or split, an utterance twice, no trial, or natural or synthesised
            ones alone.
    """
    trials = [trial for number, line in read_lines(path) if (trial := parse_line(f"{path}:{number}", line, split))]
    refuse_repeated(trials)
    refuse_one_kind(path, split, trials)
    return trials


def refuse_repeated(trials: Sequence[Trial]) -> None:
    """Check that no utterance comes twice.

    Raises:
        InputError: one does; the line names both places.
    """
    seen: dict[str, Trial] = {}
    for trial in trials:
        if trial.utterance in seen:
            raise InputError(
                f"{trial.where}: duplicate utterance {trial.utterance!r}, first on {seen[trial.utterance].where}"
            )
        seen[trial.utterance] = trial


def refuse_one_kind(path: Path | str, split: str, trials: Sequence[Trial]) -> None:
    """Check that a split has natural and synthesised utterances; `path` starts the line of the error.

    Raises:
        InputError: none, or one kind alone.
    """
    if not trials:
        raise InputError(f"{path}: no trial of the split {split}")
    if len({trial.spoof for trial in trials}) == 1:
        raise InputError(f"{path}: the split {split} has {KEYS[trials[0].spoof]} utterances alone; expected both kinds")


def parse_line(where: str, line: str, split: str) -> Trial | None:
    """Parse one line; None where it is blank or of another split.

    Raises:
        InputError: as `read_protocol` says of lines.
    """
    columns = split_columns(line)
    if not columns:
        return None
    layout = LAYOUTS.get(len(columns))
    if layout is None:
        known = ", ".join(f"{count} ({layout.name})" for count, layout in LAYOUTS.items())
        hint = "" if "\t" in line else "; where a name holds a space, put tabs between the columns"
        raise InputError(f"{where}: {len(columns)} columns; expected {known}{hint}")
    key = columns[layout.key]
    if key not in KEYS:
        raise InputError(f"{where}: key {key!r} in column {layout.key + 1}; expected bonafide or spoof")
    if layout.split is not None:
        if columns[layout.split] not in SPLITS:
            raise InputError(f"{where}: split {columns[layout.split]!r}; expected {', '.join(SPLITS)}")
        if columns[layout.split] != split:
            return None
    for column in columns:
        check_name(column, where)
    spoof = key == "spoof"
    attack = UNKNOWN if layout.attack is None else columns[layout.attack]
    return Trial(
        compose_name(columns[layout.utterance]),
        UNKNOWN if layout.speaker is None else compose_name(columns[layout.speaker]),
        ("spoof" if attack in (UNKNOWN, "bonafide") else attack) if spoof else UNKNOWN,
        spoof,
        where,
    )


def split_columns(line: str) -> list[str]:
    """Take a line apart at its tabs where that gives a known number of columns, else at all white space."""
    by_tabs = [column.strip() for column in line.strip().split("\t")]
    return by_tabs if len(by_tabs) in LAYOUTS else line.split()


def join_columns(columns: Sequence[str]) -> str:
    """Write a line that `split_columns` reads: with tabs where a column holds a space.

    Raises:
        InputError: as `check_name` says.
    """
    for column in columns:
        check_name(column, "a line of columns")
    return ("\t" if any(" " in column for column in columns) else " ").join(columns)


def check_name(name: str, where: str) -> None:
    """Refuse a name that no line of columns can hold.

    Raises:
        InputError: it is empty, begins or ends with a space, or has characters that cannot be seen or are no Unicode.
    """
    if name != name.strip() or not name or not name.isprintable():
        raise InputError(f"{where}: {name!r} cannot be a name: characters that cannot be seen, or a space at its ends")


def shared_speakers(trials: Mapping[str, Sequence[Trial]]) -> list[str]:
    """List speakers of spoofs alone that are in several splits, such as a synthesiser's voice.

    Raises:
        InputError: a speaker with natural speech is in two splits, so that a detector could know the voice.
    """
    first: dict[str, str] = {}
    natural = {trial.speaker for part in trials.values() for trial in part if not trial.spoof}
    shared = set()
    for split, part in trials.items():
        for trial in part:
            home = first.setdefault(trial.speaker, split)
            if home == split or trial.speaker == UNKNOWN:
                continue
            if trial.speaker in natural:
                raise InputError(f"{trial.where}: speaker {trial.speaker!r} is in {home} too")
            shared.add(trial.speaker)
    return sorted(shared)
