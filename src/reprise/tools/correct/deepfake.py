"""Say what a recording is: natural or synthesised.

    reprise correct deepfake call17.flac spoof
    reprise correct deepfake new-call.wav bonafide --split train

Writes verdicts.txt in the folder `deepfake.data`, in the layout of a merged protocol; an answer replaces an earlier one
about the same recording. A recording of a protocol stays in its split; a new one needs `--split`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.files import write_text
from reprise.core.params import load_path, load_seed, load_value
from reprise.deepfake.paths import SAMPLE
from reprise.tools.correct.files import change_answers

if TYPE_CHECKING:
    from reprise.deepfake.data.protocols import Trial


def main(
    recording: Annotated[str, typer.Argument(help="Its name, with or without extension.")],
    key: Annotated[str, typer.Argument(help="bonafide or spoof.")],
    split: Annotated[str | None, typer.Option(help="Of a recording in no protocol: train, dev or eval.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of recordings; deepfake.data by default.")] = None,
) -> None:
    """Say what a recording is: natural or synthesised."""
    from reprise.deepfake.data.protocols import SPLITS
    from reprise.deepfake.data.sources import read_trials

    sources = {name: load_path(f"deepfake.protocols.{name}") for name in SPLITS}
    shares = dict(zip(SPLITS, load_value("deepfake.prepare.shares"), strict=True))
    trials = read_trials(sources, shares, load_seed())
    line = judge_recording(data or load_path("deepfake.data"), trials, recording, key, split)
    print(line)


def judge_recording(
    folder: Path, trials: "Mapping[str, Sequence[Trial]]", recording: str, key: str, split: str | None = None
) -> str:
    """Write what a person heard in a recording.

    Args:
        folder: of recordings.
        trials: of each split, as the protocols have them.
        recording: name, with or without extension.
        key: `bonafide` or `spoof`.
        split: of a recording that no protocol has; None: the protocol's.

    Returns:
        The line that was written.

    Raises:
        InputError: no such recording, key or split; another split than the protocol's; or files that cannot be used.
    """
    from reprise.deepfake.data.audio import AudioFolder
    from reprise.deepfake.data.protocols import KEYS, join_columns, normalise, parse_line
    from reprise.deepfake.data.verdicts import FILE, Verdict, apply_verdicts, read_verdicts

    path = folder / FILE
    with change_answers(folder, SAMPLE):
        files = AudioFolder(folder)
        file = files.find(normalise(recording), "the answer")
        homes = {
            found: home
            for home, part in trials.items()
            for trial in part
            for found in files.paths.get(trial.utterance, [])
        }
        split = split or homes.get(file)
        if split is None:
            raise InputError(f"{recording!r} is in no protocol; expected --split train, dev or eval")
        line = join_columns([file.name, split, key])
        earlier = read_verdicts(path)
        kept = [verdict for verdict in earlier if files.find(verdict.trial.utterance, verdict.trial.where) != file]
        trial = parse_line("the answer", line, split)
        assert trial is not None, "the answer's own split was asked for"
        apply_verdicts(trials, [*kept, Verdict(split, trial)], files)
        lines = [join_columns([each.trial.utterance, each.split, KEYS[each.trial.spoof]]) for each in kept]
        write_text(path, "".join(f"{each}\n" for each in [*lines, line]))
    return line


if __name__ == "__main__":
    run_command(main)
