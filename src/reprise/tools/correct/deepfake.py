"""Say what a recording is: natural or synthesised.

    reprise correct deepfake call17.flac spoof
    reprise correct deepfake new-call.wav bonafide --split train
    reprise correct deepfake call17.flac withdraw

Writes verdicts.txt in the folder `deepfake.data`, in the layout of a merged protocol; an answer replaces an earlier one
about the same recording. A recording of a protocol stays in its split; a new one needs `--split`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.params import load_as, load_path, load_seed
from reprise.deepfake.paths import SAMPLE
from reprise.tools.correct.files import WITHDRAW, change_answers, refuse_nothing, write_answers

if TYPE_CHECKING:
    from reprise.deepfake.data.audio import AudioFolder
    from reprise.deepfake.data.protocols import Trial

NEXT = "dvc repro deepfake-evaluate"


def main(
    recording: Annotated[str, typer.Argument(help="Its name, with or without extension.")],
    key: Annotated[str, typer.Argument(help="bonafide or spoof; withdraw: take the earlier answer back.")],
    split: Annotated[str | None, typer.Option(help="Of a recording in no protocol: train, dev or eval.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of recordings; deepfake.data by default.")] = None,
) -> None:
    """Say what a recording is: natural or synthesised."""
    line = judge_recording(data or load_path("deepfake.data"), load_trials(), recording, key, split)
    print(f"withdrawn: {line}" if key == WITHDRAW else line)


def load_trials() -> "dict[str, list[Trial]]":
    """Read the trials of each split, as the protocols that params.yaml names have them.

    Raises:
        InputError: as `read_trials`.
    """
    from reprise.deepfake.data.protocols import SPLITS
    from reprise.deepfake.data.sources import read_trials

    sources = {name: load_path(f"deepfake.protocols.{name}") for name in SPLITS}
    shares = dict(zip(SPLITS, load_as("deepfake.prepare.shares", tuple[float, float, float]), strict=True))
    return read_trials(sources, shares, load_seed())


def judge_recording(
    folder: Path, trials: "Mapping[str, Sequence[Trial]]", recording: str, key: str, split: str | None = None
) -> str:
    """Write what a person heard in a recording.

    Args:
        folder: of recordings.
        trials: of each split, as the protocols have them.
        recording: name, with or without extension.
        key: `bonafide` or `spoof`; `withdraw`: what was heard in it before is taken back.
        split: of a recording that no protocol has; None: the protocol's.

    Returns:
        The line that was written, or taken back.

    Raises:
        InputError: no such recording, key or split; another split than the protocol's; nothing to take back; or files
            that cannot be used.
    """
    if key == WITHDRAW:
        removed, _ = replace_verdict(folder, trials, recording, None, split)
        refuse_nothing(removed, f"recording {recording!r}")
        return "\n".join(removed)
    return replace_verdict(folder, trials, recording, key, split)[1][0]


def replace_verdict(
    folder: Path, trials: "Mapping[str, Sequence[Trial]]", recording: str, key: str | None, split: str | None = None
) -> tuple[list[str], list[str]]:
    """Put a verdict in the place of that about a recording; the protocols stay as they are.

    Args:
        folder: of recordings.
        trials: of each split, as the protocols have them.
        recording: name, with or without extension.
        key: `bonafide` or `spoof`; None: what was heard before is taken back.
        split: of a recording that no protocol has; None: the protocol's.

    Returns:
        The line that was there, and that which is there now; each is empty where there is none.

    Raises:
        InputError: as `judge_recording`.
    """
    from reprise.core.text import compose_name
    from reprise.deepfake.data.audio import AudioFolder
    from reprise.deepfake.data.protocols import KEYS, join_columns, parse_line
    from reprise.deepfake.data.verdicts import FILE, Verdict, apply_verdicts, read_verdicts

    path = folder / FILE
    with change_answers(folder, SAMPLE):
        files = AudioFolder(folder)
        file = files.find(compose_name(recording), "the answer")
        kept: list[Verdict] = []
        removed: list[Verdict] = []
        for verdict in read_verdicts(path):
            own = files.find(verdict.trial.utterance, verdict.trial.where) == file
            (removed if own else kept).append(verdict)
        now, lines = list(kept), []
        if key is not None:
            split = split or home_of(file, files, trials)
            if split is None:
                raise InputError(f"{recording!r} is in no protocol; expected --split train, dev or eval")
            clear = len(files.matches(compose_name(file.name))) == 1
            lines = [join_columns([file.name if clear else file.relative_to(folder).as_posix(), split, key])]
            trial = parse_line("the answer", lines[0], split)
            assert trial is not None, "the answer's own split was asked for"
            now.append(Verdict(split, trial))
        if removed or lines:
            apply_verdicts(trials, now, files)
            gone, left = (
                [join_columns([each.trial.utterance, each.split, KEYS[each.trial.spoof]]) for each in verdicts]
                for verdicts in (removed, kept)
            )
            write_answers(path, "".join(f"{each}\n" for each in [*left, *lines]))
            return gone, lines
    return [], []


def home_of(file: Path, files: "AudioFolder", trials: "Mapping[str, Sequence[Trial]]") -> str | None:
    """The split whose protocol has a recording; None where no protocol has it."""
    homes = {found: home for home, part in trials.items() for trial in part for found in files.matches(trial.utterance)}
    return homes.get(file)


if __name__ == "__main__":
    run_command(main)
