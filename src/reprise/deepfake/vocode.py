"""Make spoofs of a person's own recordings by copy-synthesis, to train a detector on (Wang and Yamagishi, ICASSP 2023).

    python -m reprise.deepfake.vocode recordings/ data/deepfake/mine

Takes all recordings under a folder and writes each, at 16 kHz, with a copy-synthesis by every vocoder (or those named
by `--vocoder`) to OUT/flac. With `--sentences FILE` voices read each line aloud as well (text_to_speech.py), as loud
as one of the recordings, drawn at random. With `--channel mu_law`, say, recordings and spoofs are written through that
codec, noise or room as well, under the same key: what a telephone does to speech is no synthesis. The folder that a
recording lies in names its speaker. Writes OUT/train.txt, dev.txt and eval.txt in the layout of ASVspoof 2019 (speaker,
utterance, -, vocoder or voice, key), which share no speaker and no sentence, and prints the command that trains on
them. All of OUT is written, or nothing.
"""

import importlib.util
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.overrides import experiment
from reprise.core.text import for_terminal

if TYPE_CHECKING:
    from tqdm import tqdm

    from reprise.deepfake.sentences import Sentence
    from reprise.deepfake.spoofs import Making

HELD_OUT_SHARE = 0.2  # of the speakers, and of the sentences, for dev and for eval each
ERRORS_SHOWN = 5
OTHER_EXTENSIONS = (".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".m4a", ".mp4", ".webm", ".wma")  # not read


def main(
    folder: Annotated[Path, typer.Argument(help="Recordings, in a folder a speaker.")],
    out: Annotated[Path, typer.Argument(help="New folder for recordings and protocols.")],
    vocoder: Annotated[
        list[str] | None, typer.Option(help="Take this one; may be repeated (all that are installed).")
    ] = None,
    sentences: Annotated[Path | None, typer.Option(help="Have a voice read this file's lines aloud, too.")] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="hibari, a voice of Piper, a VITS of the hub; may be repeated (hibari).")
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Also write all through this one; may be repeated.")] = None,
    split: Annotated[bool, typer.Option(help="Split speakers into train, dev and eval, or write one protocol.")] = True,
    seed: Annotated[int, typer.Option(help="Of the syntheses and of the split.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Side by side.")] = os.cpu_count() or 1,
) -> None:
    """Make spoofs of recordings by copy-synthesis, and of sentences by text-to-speech."""
    from reprise.deepfake.detector.channel import CHANNELS
    from reprise.deepfake.sample.vocoders import VOCODERS
    from reprise.deepfake.sentences import read_sentences
    from reprise.deepfake.spoofs import Making
    from reprise.deepfake.text_to_speech import HIBARI

    if voice and sentences is None:
        raise InputError("--voice without --sentences: name a text file, a sentence a line")
    voices = (voice or [HIBARI]) if sentences is not None else []
    chosen = vocoder or installed(VOCODERS), channel or [], voices
    vocoders, channels, voices = (list(dict.fromkeys(names)) for names in chosen)  # each once
    making = Making(vocoders, channels, voices, seed)
    if unknown := [name for name in making.vocoders if name not in VOCODERS]:
        raise InputError(f"no vocoder {unknown[0]!r}; there are {', '.join(VOCODERS)}")
    if unknown := [name for name in making.channels if name not in CHANNELS]:
        raise InputError(f"no channel {unknown[0]!r}; there are {', '.join(CHANNELS)}")
    if "world" in making.vocoders and not installed(["world"]):
        raise InputError("the vocoder world needs pyworld: pip install pyworld 'setuptools<81'")
    check_voices(making.voices)
    if Path.cwd().resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out}: the working folder is in it; name a new folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: not empty; name a new folder")
    texts = read_sentences(sentences, 3 if split else 1) if sentences is not None else []
    recordings = name_outputs(folder, making, texts)
    if passed_over := other_recordings(folder):
        kinds = ", ".join(sorted({path.suffix.lower() for path in passed_over}))
        example = for_terminal(str(passed_over[0]))
        typer.echo(f"passed over {len(passed_over)} files ({kinds}), such as {example}: convert them to FLAC", err=True)
    homes: dict[tuple[str, str], str] = {}
    if split:
        speakers = split_speakers([speaker_of(path, folder) for path in recordings.values()], seed)
        homes = {("speaker", speaker): home for speaker, home in speakers.items()}
        homes |= {("sentence", key): home for key, home in share_out([each.key for each in texts], seed).items()}
    protocols = vocode(recordings, texts, folder, out, making, processes, homes)
    spoofs = (len(recordings) * len(making.vocoders) + len(texts) * len(making.voices)) * (1 + len(making.channels))
    typer.echo(
        f"{len(recordings) * (1 + len(making.channels))} recordings, {spoofs} spoofs in {out / 'flac'}: "
        f"{', '.join(sorted(protocols))}"
    )
    if split:
        typer.echo(f"train and evaluate on them with\n{next_command(out)}")


def check_voices(voices: Sequence[str]) -> None:
    """Refuse voices that are missing, or whose names in the protocols would be those of others.

    Raises:
        InputError: it names the voice.
    """
    from reprise.deepfake.sample.vocoders import VOCODERS
    from reprise.deepfake.text_to_speech import check_voice, label

    taken = {name: f"the vocoder {name}" for name in VOCODERS}
    for voice in voices:
        check_voice(voice)
        name = label(voice)
        if name in taken:
            raise InputError(f"--voice {voice}: its spoofs would be called {name}, as those of {taken[name]}")
        taken[name] = f"the voice {voice}"


def other_recordings(folder: Path) -> list[Path]:
    """Recordings of a folder and its subfolders in containers that are not read."""
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in OTHER_EXTENSIONS and path.is_file()]


def name_outputs(folder: Path, making: "Making", sentences: "Iterable[Sentence]" = ()) -> dict[str, Path]:
    """Find the recordings under a folder by the utterance names that they get; check the names of all that is made.

    Args:
        folder: that they lie in.
        making: what is made of them.
        sentences: that voices read.

    Raises:
        InputError: no folder, no recording in it, or two files that would get one name.
    """
    from reprise.core.text import compose_name
    from reprise.deepfake.data.audio import list_recordings
    from reprise.deepfake.data.protocols import check_name
    from reprise.deepfake.spoofs import output_name, reading_name
    from reprise.deepfake.text_to_speech import label

    recordings: dict[str, Path] = {}
    taken: dict[str, str] = {}

    def take(utterance: str, names: Sequence[str], maker: str) -> None:
        for name, channel in itertools.product(names, ("-", *making.channels)):
            written = output_name(utterance, name, channel).casefold()
            if written in taken:
                raise InputError(f"{taken[written]} and {maker} would both be written as {written}.flac; rename one")
            taken[written] = maker

    for path in list_recordings(folder):
        utterance = compose_name(path.stem)
        check_name(utterance, str(path))
        check_name(speaker_of(path, folder), str(path))
        take(utterance, ("-", *making.vocoders), str(path))
        recordings[utterance] = path
    for voice in making.voices:
        check_name(label(voice), f"the voice {voice}")
        for sentence in sentences:
            take(reading_name(voice, sentence), ("-",), f"{sentence.place}, read by {voice},")
    return recordings


def installed(vocoders: Iterable[str]) -> list[str]:
    """Those that run here: `world` needs a package that the environment may lack."""
    return [name for name in vocoders if name != "world" or importlib.util.find_spec("pyworld") is not None]


def speaker_of(path: Path, folder: Path) -> str:
    from reprise.core.text import compose_name
    from reprise.deepfake.data.protocols import UNKNOWN

    return compose_name(path.parent.name) if path.parent != folder else UNKNOWN


def split_speakers(speakers: Sequence[str], seed: int) -> dict[str, str]:
    """Give each speaker a split, a fifth of them dev and a fifth eval.

    Raises:
        InputError: fewer than three speakers.
    """
    from reprise.deepfake.data.protocols import UNKNOWN

    distinct = sorted(set(speakers))
    if UNKNOWN in distinct or len(distinct) < 3:
        found = ", ".join(distinct[:5])
        raise InputError(
            f"speakers: {found}; expected at least three folders, a speaker each, for train, dev and eval "
            "(--no-split writes one protocol, to be split by hand)"
        )
    return share_out(distinct, seed)


def share_out(names: Sequence[str], seed: int) -> dict[str, str]:
    """Give each name a split at random."""
    from reprise.core.seed import derive_seed

    shuffled = sorted(names, key=lambda name: derive_seed(seed, "split", name))
    held_out = max(1, round(HELD_OUT_SHARE * len(shuffled)))
    return {
        name: "dev" if place < held_out else "eval" if place < 2 * held_out else "train"
        for place, name in enumerate(shuffled)
    }


def vocode(
    recordings: Mapping[str, Path],
    sentences: "Sequence[Sentence]",
    folder: Path,
    out: Path,
    making: "Making",
    processes: int,
    homes: Mapping[tuple[str, str], str],
) -> list[str]:
    """Write recordings, their syntheses, sentences read aloud and the protocols, or nothing.

    Args:
        recordings: by utterance name.
        sentences: that voices read.
        folder: that the recordings lie in.
        out: the folder to make.
        making: what is made.
        processes: how many work side by side.
        homes: split of each ("speaker", name) and ("sentence", key); empty: all go to one protocol.

    Returns:
        The names of the protocols.

    Raises:
        InputError: sentences that cannot be read aloud, or recordings that cannot be read, the line names the first
            few; or a voice that cannot be loaded.
    """
    from concurrent.futures import ProcessPoolExecutor

    from tqdm import tqdm

    from reprise.core.files import write_text
    from reprise.deepfake.data.folders import whole_folder
    from reprise.deepfake.spoofs import read_one, vocode_one

    protocols: dict[str, list[str]] = {}
    readings = draw_readings(recordings, sentences, making)
    speakers = [speaker_of(path, folder) for path in recordings.values()]
    with whole_folder(out) as temporary, ProcessPoolExecutor(processes) as pool:
        target = temporary / "flac"
        target.mkdir()
        same = itertools.repeat(target), itertools.repeat(making)
        # Readings first: a voice that cannot be loaded is known in seconds.
        spoken = pool.map(read_one, *zip(*readings, strict=True), *same, chunksize=4) if readings else iter(())
        vocoded = pool.map(vocode_one, recordings, recordings.values(), speakers, *same, chunksize=4)
        bar = tqdm(total=len(readings) + len(speakers), disable=None)
        owners = [("sentence", sentence.key) for _, sentence, _ in readings], [("speaker", each) for each in speakers]
        try:
            for own, made in zip(owners, (spoken, vocoded), strict=True):
                for owner, lines in zip(own, without_errors(made, bar), strict=True):
                    protocols.setdefault(f"{homes.get(owner, 'protocol')}.txt", []).extend(lines)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        for name, lines in protocols.items():
            write_text(temporary / name, "\n".join(lines) + "\n")
    return list(protocols)


def draw_readings(
    recordings: Mapping[str, Path], sentences: "Sequence[Sentence]", making: "Making"
) -> "list[tuple[str, Sentence, Path]]":
    """Each voice with each sentence, and the recording that it is to be as loud as."""
    from reprise.core.seed import derive_seed
    from reprise.deepfake.text_to_speech import label

    paths = list(recordings.values())
    return [
        (voice, sentence, paths[derive_seed(making.seed, "loudness", label(voice), sentence.key) % len(paths)])
        for voice, sentence in itertools.product(making.voices, sentences)
    ]


def without_errors(made: Iterable[tuple[list[str], str | None]], bar: "tqdm") -> list[list[str]]:
    """Protocol lines of what was made.

    Raises:
        InputError: it could not all be made; the line names the first few.
    """
    lines, errors = [], []
    for own, error in made:
        bar.update()
        lines.append(own)
        errors += [error] if error else []
    if errors:
        more = f" (and {len(errors) - ERRORS_SHOWN} more)" if len(errors) > ERRORS_SHOWN else ""
        raise InputError("; ".join(errors[:ERRORS_SHOWN]) + more)
    return lines


def next_command(out: Path) -> str:
    """The command that trains on what was written."""
    names = {"data": "flac"} | {f"protocols.{split}": f"{split}.txt" for split in ("train", "dev", "eval")}
    values = {f"deepfake.{key}": str(out / name) for key, name in names.items()}
    return experiment(values, "deepfake-evaluate", "deepfake-explain")


if __name__ == "__main__":
    run_command(main)
