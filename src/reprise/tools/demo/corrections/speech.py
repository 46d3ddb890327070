"""Recordings drawn by chance to be listened to, and what a person hears in them: verdicts.txt.

Answers are written by `reprise.tools.correct`, as `reprise correct deepfake` writes them.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError
from reprise.core.params import load_path, load_seed
from reprise.core.text import compose_name
from reprise.deepfake.data.audio import AudioFolder
from reprise.deepfake.data.protocols import KEYS, SPLITS, Trial, split_columns
from reprise.deepfake.data.verdicts import FILE, read_verdicts
from reprise.tools.correct.deepfake import NEXT, load_trials, replace_verdict
from reprise.tools.correct.files import WITHDRAW, refuse_nothing

NO_SPLIT = "none"  # recordings that no protocol has
UNSURE = "unsure"
VERDICTS = (*KEYS, UNSURE)


@dataclasses.dataclass(frozen=True)
class Recordings:
    """The recordings of a person's folder, and what is said of them.

    Attributes:
        folder: of recordings.
        files: found by name.
        trials: of each split, as the protocols have them.
        homes: split and key by the protocols, of each recording that is in one.
        heard: split and key by a person.
    """

    folder: Path
    files: AudioFolder
    trials: dict[str, list[Trial]]
    homes: dict[Path, tuple[str, str]]
    heard: dict[Path, tuple[str, str]]


def read_recordings() -> Recordings:
    """Read the folder and the protocols that params.yaml names.

    Raises:
        InputError: they cannot be used.
    """
    folder, trials = load_path("deepfake.data"), load_trials()
    files = AudioFolder(folder)
    homes = {
        found: (split, KEYS[trial.spoof])
        for split, part in trials.items()
        for trial in part
        for found in files.matches(trial.utterance)
    }
    heard = {
        files.find(verdict.trial.utterance, verdict.trial.where): (verdict.split, KEYS[verdict.trial.spoof])
        for verdict in read_verdicts(folder / FILE)
    }
    return Recordings(folder, files, trials, homes, heard)


def list_recordings(split: str, count: int = 10) -> dict[str, Any]:
    """Recordings of a split in an order that chance has drawn, once: those without a verdict first.

    Args:
        split: train, dev or eval; `none`: recordings that no protocol has.
        count: of recordings at most.

    Returns:
        folder, how many the split has and how many of them have a verdict; and recordings.

    Raises:
        InputError: an unknown split, or files that cannot be used.
    """
    if split not in (*SPLITS, NO_SPLIT):
        raise InputError(f"split {split!r}; expected {', '.join((*SPLITS, NO_SPLIT))}")
    known = read_recordings()
    own = [path for path in known.files.recordings if known.homes.get(path, (NO_SPLIT, ""))[0] == split]
    seed = load_seed()
    own.sort(key=lambda path: (path in known.heard, drawn(path.relative_to(known.folder), seed)))
    return {
        "folder": str(known.folder),
        "in_split": len(own),
        "with_verdict": sum(path in known.heard for path in own),
        "recordings": [describe_recording(path, known) for path in own[:count]],
    }


def drawn(path: Path, seed: int) -> str:
    """A recording's place in the order of chance: the same today and tomorrow, whatever else joins the folder."""
    return hashlib.sha256(f"{seed}/{compose_name(path.as_posix())}".encode("utf-8", "surrogateescape")).hexdigest()


def describe_recording(path: Path, known: Recordings) -> dict[str, Any]:
    """What is known of a recording without listening to it."""
    split, key = known.homes.get(path, (NO_SPLIT, ""))
    heard_split, heard = known.heard.get(path, (split, ""))
    return {"recording": name_of(path, known), "split": heard_split if heard else split, "key": key, "verdict": heard}


def name_of(path: Path, known: Recordings) -> str:
    """A recording's name; with its folders where others have the same name."""
    alone = len(known.files.paths[compose_name(path.name)]) == 1
    return compose_name(path.name if alone else path.relative_to(known.folder).as_posix())


def find_recording(name: str) -> tuple[Path, dict[str, Any]]:
    """A recording's file, and what is known of it; and how many recordings have a verdict.

    Raises:
        InputError: none or several of that name; or files that cannot be used.
    """
    known = read_recordings()
    path = known.files.find(compose_name(name), "the recording")
    return path, describe_recording(path, known) | {"verdicts": len(known.heard)}


def answer_recording(recording: str, verdict: str, split: str) -> tuple[dict[str, Any], list[str]]:
    """Write what a person hears in a recording, as `reprise correct deepfake` does.

    Args:
        recording: name, with or without extension.
        verdict: `bonafide`, `spoof`; `unsure`, which says nothing: an earlier verdict is taken back; or `withdraw`,
            the same where there has to be one.
        split: train, dev or eval, of a recording that no protocol has; empty: the protocol's.

    Returns:
        The lines that were written, their file, and what to run next; and the lines that they replaced.

    Raises:
        InputError: as `reprise.tools.correct.deepfake.judge_recording`.
    """
    if verdict not in (*VERDICTS, WITHDRAW):
        raise InputError(f"verdict {verdict!r}; expected {', '.join(VERDICTS)}")
    folder = load_path("deepfake.data")
    key = verdict if verdict in KEYS else None
    removed, lines = replace_verdict(folder, load_trials(), recording, key, split or None)
    if verdict == WITHDRAW:
        refuse_nothing(removed, f"recording {recording!r}")
    said = {"recording": recording, "verdict": verdict, "lines": lines}
    return {**said, "file": str(folder / FILE), "next": NEXT}, removed


def undo_recording(recording: str, lines: list[str]) -> None:
    """Put back the line that an answer replaced.

    Raises:
        InputError: as `replace_verdict`.
    """
    _, split, key = split_columns(lines[0]) if lines else ("", None, None)
    replace_verdict(load_path("deepfake.data"), load_trials(), recording, key, split)
