"""Make spoofs of a person's own recordings by copy-synthesis, to train a detector on (Wang and Yamagishi, ICASSP 2023).

    python -m reprise.deepfake.vocode recordings/ data/deepfake/mine

Takes all recordings under a folder and writes each, at 16 kHz, with a copy-synthesis by every vocoder (or those named
by `--vocoder`) to OUT/flac. With `--channel mu_law`, say, recordings and spoofs are written through that codec, noise
or room as well, under the same key: what a telephone does to speech is no synthesis. The folder that a recording lies
in names its speaker. Writes OUT/train.txt, dev.txt and eval.txt in the layout of ASVspoof 2019 (speaker, utterance, -,
vocoder, key), which share no speaker, and prints the command that trains on them. All of OUT is written, or nothing.
"""

import importlib.util
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.overrides import experiment
from reprise.core.text import for_terminal

MIN_SECONDS, MAX_SECONDS = 0.2, 600.0
HELD_OUT_SHARE = 0.2  # of the speakers, for dev and for eval each
ERRORS_SHOWN = 5
OTHER_EXTENSIONS = (".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".m4a", ".mp4", ".webm", ".wma")  # not read


def main(
    folder: Annotated[Path, typer.Argument(help="Recordings, in a folder a speaker.")],
    out: Annotated[Path, typer.Argument(help="New folder for recordings and protocols.")],
    vocoder: Annotated[
        list[str] | None, typer.Option(help="Take this one; may be repeated (all that are installed).")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Also write all through this one; may be repeated.")] = None,
    split: Annotated[bool, typer.Option(help="Split speakers into train, dev and eval, or write one protocol.")] = True,
    seed: Annotated[int, typer.Option(help="Of the syntheses and of the split.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Side by side.")] = os.cpu_count() or 1,
) -> None:
    """Make spoofs of recordings by copy-synthesis."""
    from reprise.deepfake.detector.channel import CHANNELS
    from reprise.deepfake.sample.vocoders import VOCODERS

    names, channels = vocoder or installed(VOCODERS), channel or []
    if unknown := [name for name in names if name not in VOCODERS]:
        raise InputError(f"no vocoder {unknown[0]!r}; there are {', '.join(VOCODERS)}")
    if unknown := [name for name in channels if name not in CHANNELS]:
        raise InputError(f"no channel {unknown[0]!r}; there are {', '.join(CHANNELS)}")
    if Path.cwd().resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out}: the working folder is in it; name a new folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: not empty; name a new folder")
    recordings = name_recordings(folder, names, channels)
    if passed_over := other_recordings(folder):
        kinds = ", ".join(sorted({path.suffix.lower() for path in passed_over}))
        example = for_terminal(str(passed_over[0]))
        typer.echo(f"passed over {len(passed_over)} files ({kinds}), such as {example}: convert them to FLAC", err=True)
    homes = split_speakers([speaker_of(path, folder) for path in recordings.values()], seed) if split else {}
    protocols = vocode(recordings, folder, out, names, seed, processes, homes, channels)
    spoofs = len(recordings) * len(names) * (1 + len(channels))
    typer.echo(
        f"{len(recordings) * (1 + len(channels))} recordings, {spoofs} spoofs in {out / 'flac'}: "
        f"{', '.join(sorted(protocols))}"
    )
    if split:
        typer.echo(f"train and evaluate on them with\n{next_command(out)}")


def other_recordings(folder: Path) -> list[Path]:
    """Recordings of a folder and its subfolders in containers that are not read."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in OTHER_EXTENSIONS and path.is_file()]


def name_recordings(folder: Path, names: Sequence[str], channels: Sequence[str] = ()) -> dict[str, Path]:
    """Find the recordings under a folder by the utterance names that they get.

    Raises:
        InputError: no folder, no recording in it, or two that would be written to one file.
    """
    from reprise.core.text import compose_name
    from reprise.deepfake.data.audio import list_recordings
    from reprise.deepfake.data.protocols import check_name

    recordings: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for path in list_recordings(folder):
        utterance = compose_name(path.stem)
        check_name(utterance, str(path))
        check_name(speaker_of(path, folder), str(path))
        for name, channel in itertools.product(("-", *names), ("-", *channels)):
            written = output_name(utterance, name, channel).casefold()
            if written in taken:
                raise InputError(f"{taken[written]} and {path} would both be written as {written}.flac; rename one")
            taken[written] = path
        recordings[utterance] = path
    return recordings


def installed(vocoders: Iterable[str]) -> list[str]:
    """Those that run here: `world` needs a package that the environment may lack."""
    return [name for name in vocoders if name != "world" or importlib.util.find_spec("pyworld") is not None]


def output_name(utterance: str, vocoder: str, channel: str = "-") -> str:
    return "-".join([utterance, *(name for name in (vocoder, channel) if name != "-")])


def speaker_of(path: Path, folder: Path) -> str:
    from reprise.core.text import compose_name
    from reprise.deepfake.data.protocols import UNKNOWN

    return compose_name(path.parent.name) if path.parent != folder else UNKNOWN


def split_speakers(speakers: Sequence[str], seed: int) -> dict[str, str]:
    """Give each speaker a split, a fifth of them dev and a fifth eval.

    Raises:
        InputError: fewer than three speakers.
    """
    from reprise.core.seed import derive_seed
    from reprise.deepfake.data.protocols import UNKNOWN

    distinct = sorted(set(speakers))
    if UNKNOWN in distinct or len(distinct) < 3:
        found = ", ".join(distinct[:5])
        raise InputError(
            f"speakers: {found}; expected at least three folders, a speaker each, for train, dev and eval "
            "(--no-split writes one protocol, to be split by hand)"
        )
    shuffled = sorted(distinct, key=lambda speaker: derive_seed(seed, "split", speaker))
    held_out = max(1, round(HELD_OUT_SHARE * len(shuffled)))
    return {
        speaker: "dev" if place < held_out else "eval" if place < 2 * held_out else "train"
        for place, speaker in enumerate(shuffled)
    }


def vocode(
    recordings: Mapping[str, Path],
    folder: Path,
    out: Path,
    names: Sequence[str],
    seed: int,
    processes: int,
    homes: Mapping[str, str],
    channels: Sequence[str] = (),
) -> list[str]:
    """Write recordings, their syntheses and the protocols, or nothing.

    Args:
        recordings: by utterance name.
        folder: that they lie in.
        out: the folder to make.
        names: of vocoders.
        seed: of the syntheses.
        processes: how many work side by side.
        homes: split of each speaker; empty: all go to one protocol.
        channels: that all go through as well.

    Returns:
        The names of the protocols.

    Raises:
        InputError: recordings that cannot be read; the line names the first few.
    """
    from concurrent.futures import ProcessPoolExecutor

    from tqdm import tqdm

    from reprise.core.files import write_text
    from reprise.deepfake.data.folders import whole_folder

    protocols: dict[str, list[str]] = {}
    errors: list[str] = []
    with whole_folder(out) as temporary, ProcessPoolExecutor(processes) as pool:
        (temporary / "flac").mkdir()
        same = [itertools.repeat(each) for each in (temporary / "flac", names, seed, channels)]
        speakers = [speaker_of(path, folder) for path in recordings.values()]
        made = pool.map(vocode_one, recordings, recordings.values(), speakers, *same, chunksize=4)
        for speaker, (lines, error) in zip(speakers, tqdm(made, total=len(recordings), disable=None), strict=True):
            protocols.setdefault(f"{homes.get(speaker, 'protocol')}.txt", []).extend(lines)
            errors += [error] if error else []
        if errors:
            more = f" (and {len(errors) - ERRORS_SHOWN} more recordings)" if len(errors) > ERRORS_SHOWN else ""
            raise InputError("; ".join(errors[:ERRORS_SHOWN]) + more)
        for name, lines in protocols.items():
            write_text(temporary / name, "\n".join(lines) + "\n")
    return list(protocols)


def vocode_one(
    utterance: str,
    path: Path,
    speaker: str,
    target: Path,
    names: Sequence[str],
    seed: int,
    channels: Sequence[str] = (),
) -> tuple[list[str], str | None]:
    """Write one recording and its syntheses; returns their protocol lines, or what is wrong with the recording."""
    import numpy as np
    import torch

    from reprise.core.seed import derive_seed
    from reprise.deepfake.data.audio import read_audio, write_flac
    from reprise.deepfake.data.protocols import KEYS, join_columns
    from reprise.deepfake.detector.channel import CHANNELS
    from reprise.deepfake.sample.vocoders import synthesise

    torch.set_num_threads(1)  # the processes fill the cores
    try:
        samples = read_audio(path, MIN_SECONDS, MAX_SECONDS).samples
    except InputError as error:
        return [], str(error)
    lines = []
    for name in ("-", *names):
        generator = np.random.default_rng(derive_seed(seed, "vocode", utterance, name))
        made = samples if name == "-" else synthesise(name, samples, generator)
        for channel in ("-", *channels):
            generator = np.random.default_rng(derive_seed(seed, "channel", utterance, name, channel))
            heard = made if channel == "-" else CHANNELS[channel](made, generator)
            written = output_name(utterance, name, channel)
            write_flac(target / f"{written}.flac", heard)
            lines.append(join_columns([speaker, written, "-", name, KEYS[name != "-"]]))
    return lines, None


def next_command(out: Path) -> str:
    """The command that trains on what was written."""
    names = {"data": "flac"} | {f"protocols.{split}": f"{split}.txt" for split in ("train", "dev", "eval")}
    values = {f"deepfake.{key}": str(out / name) for key, name in names.items()}
    return experiment(values, "deepfake-evaluate", "deepfake-explain")


if __name__ == "__main__":
    run_command(main)
