"""What a person heard: verdicts.txt in the folder of recordings, which corrects and extends the protocols.

Its lines are those of a merged protocol, `file.flac train|dev|eval bonafide|spoof`. A verdict about a recording of a
protocol replaces its key; any other recording joins the split that the line names. A verdict moves no recording into
another split: what was heard in eval corrects what is measured, and never trains.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from reprise.core.errors import InputError
from reprise.deepfake.data.audio import AudioFolder
from reprise.deepfake.data.protocols import (
    KEYS,
    LAYOUTS,
    SPLITS,
    UNKNOWN,
    Trial,
    parse_line,
    read_lines,
    refuse_one_kind,
    split_columns,
)

FILE = "verdicts.txt"
MERGED = 3  # columns
EXPECTED = "expected file.flac train|dev|eval bonafide|spoof"
COUNTED = ("confirmed", "changed", "added")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One line: the split that it names, and its trial."""

    split: str
    trial: Trial


def read_verdicts(path: Path) -> list[Verdict]:
    """Read the verdicts; without such a file there are none.

    Raises:
        InputError: not the lines of a merged protocol.
    """
    if not path.exists():
        return []
    verdicts = []
    for number, line in read_lines(path):
        columns, where = split_columns(line), f"{path}:{number}"
        if not columns:
            continue
        if len(columns) != MERGED:
            raise InputError(f"{where}: {len(columns)} columns; {EXPECTED}")
        split = columns[LAYOUTS[MERGED].split or 0]
        if trial := parse_line(where, line, split):
            verdicts.append(Verdict(split, trial))
    return verdicts


def apply_verdicts(
    trials: Mapping[str, Sequence[Trial]], verdicts: Sequence[Verdict], folder: AudioFolder
) -> tuple[dict[str, list[Trial]], dict[str, dict[str, int]]]:
    """Correct and extend the trials of all splits; both may name a recording with or without its extension.

    Returns:
        The trials by split; and by split how many verdicts confirm a key, change one, and add a recording.

    Raises:
        InputError: a verdict about a recording that is not there, that has one already or is in another split; or a
            split is left with one kind of speech.
    """
    corrected = {split: list(trials[split]) for split in SPLITS}
    counts = {split: dict.fromkeys(COUNTED, 0) for split in SPLITS}
    places: dict[Path, tuple[str, int]] = {}
    for split, part in corrected.items() if verdicts else ():
        for index, trial in enumerate(part):
            if len(found := folder.matches(trial.utterance)) == 1:  # what is missing is reported when it is read
                places[found[0]] = split, index
    judged: dict[Path, Trial] = {}
    for split, verdict in ((verdict.split, verdict.trial) for verdict in verdicts):
        file = folder.find(verdict.utterance, verdict.where)
        if (first := judged.setdefault(file, verdict)) is not verdict:
            raise InputError(f"{verdict.where}: second verdict about {verdict.utterance!r}, first on {first.where}")
        home, index = places.get(file, (None, 0))
        if home is None:
            counts[split]["added"] += 1
            corrected[split].append(verdict)
        elif home != split:
            raise InputError(
                f"{verdict.where}: {verdict.utterance!r} is in {home}, not in {split}; a verdict moves no recording"
            )
        else:
            trial = corrected[split][index]
            counts[split]["confirmed" if trial.spoof == verdict.spoof else "changed"] += 1
            corrected[split][index] = give_key(trial, verdict.spoof)
    for split, part in corrected.items() if verdicts else ():
        refuse_one_kind(f"{verdicts[0].trial.where}: the verdicts", split, part)
    return corrected, counts


def give_key(trial: Trial, spoof: bool) -> Trial:
    """The trial with the key that a person heard; the attack of a recording that was called natural is unknown."""
    if trial.spoof == spoof:
        return trial
    return dataclasses.replace(trial, spoof=spoof, attack=KEYS[True] if spoof else UNKNOWN)
