"""Check a folder of recordings."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from reprise.core.errors import InputError
from reprise.core.params import load_as, load_seed
from reprise.deepfake.data.audio import RATE, AudioFolder
from reprise.deepfake.data.metadata import NATURAL, SYNTHESISED, read_header
from reprise.deepfake.data.protocols import (
    LAYOUTS,
    SPLITS,
    UNKNOWN,
    Trial,
    names_splits,
    parse_line,
    read_lines,
    shared_speakers,
    split_columns,
)
from reprise.deepfake.data.segments import find_segment_labels, read_segment_labels
from reprise.deepfake.data.sources import read_trials, source_kind
from reprise.deepfake.data.verdicts import COUNTED, FILE, apply_verdicts, read_verdicts
from reprise.tools.check.findings import Findings, same_content, some

SECONDS = 4.0  # for opening recordings
TOKENS = {"train": ("train", "trn"), "dev": ("dev", "valid"), "eval": ("eval", "test")}


def check(folder: Path) -> Findings:
    """Read a folder as deepfake-prepare does."""
    found = Findings(overrides={"deepfake.data": str(folder)})
    with found.collect():
        recordings = AudioFolder(folder)
        sources = find_sources(folder, recordings)
        found.overrides |= {f"deepfake.protocols.{split}": str(path) for split, path in sources.items()}
        for path in dict.fromkeys(sources.values()):
            found.recognised.append(f"{path}: {source_kind(path)}")
        shares = dict(zip(SPLITS, load_as("deepfake.prepare.shares", tuple[float, float, float]), strict=True))
        given = read_trials(sources, shares, load_seed())
        verdicts = read_verdicts(folder / FILE)
        trials, counts = apply_verdicts(given, verdicts, recordings)
        if verdicts:
            heard = [f"{sum(each[kind] for each in counts.values())} {kind}" for kind in COUNTED]
            found.recognised.append(f"{folder / FILE}: {len(verdicts)} verdicts, keys {', '.join(heard)}")
        describe(found, sources, trials)
        check_speakers(found, trials)
        files = find_files(found, recordings, trials)
        check_files(found, files)
        check_segments(found, folder, trials["eval"])
    return found


def find_sources(folder: Path, recordings: AudioFolder) -> dict[str, Path]:
    """Find a protocol for each split, one for all, a table, or folders, in this order.

    Raises:
        InputError: none of them.
    """
    texts = [path for path in sorted(folder.rglob("*.txt")) if path.name != FILE and is_protocol(path)]
    by_split = {
        split: [path for path in texts if any(token in path.name.lower() for token in TOKENS[split])]
        for split in SPLITS
    }
    if all(by_split.values()):
        return {
            split: min(own, key=lambda path: ("cm" not in path.name.lower(), str(path)))
            for split, own in by_split.items()
        }
    if len(texts) == 1:
        return dict.fromkeys(SPLITS, texts[0])
    tables = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in (".csv", ".tsv", ".txt")]
    tables = [path for path in tables if path.name != FILE and path.is_file() and read_header(path)]
    if len(tables) == 1:
        return dict.fromkeys(SPLITS, tables[0])
    kinds = {part.lower() for path in recordings.recordings for part in path.relative_to(folder).parent.parts}
    if kinds & set(NATURAL) and kinds & set(SYNTHESISED):
        return dict.fromkeys(SPLITS, folder)
    several = (
        f"{len(texts) + len(tables)} protocols and tables, of which none is for all"
        if texts or tables
        else "nothing says which recordings are natural"
    )
    raise InputError(
        f"{folder}: {several}; expected a protocol for each split, one of all, a table with columns of files and "
        "labels, or folders real/ and fake/; `reprise vocode` makes spoofs where there are none"
    )


def is_protocol(path: Path) -> bool:
    """Whether a file's first line is one of a protocol."""
    try:
        first = next((line for _, line in read_lines(path) if line.strip()), "")
        if len(split_columns(first)) not in LAYOUTS:
            return False
        parse_line(str(path), first, "train")
    except InputError:
        return False
    return True


def describe(found: Findings, sources: dict[str, Path], trials: dict[str, list[Trial]]) -> None:
    """Say what each split holds."""
    for split, part in trials.items():
        attacks = Counter(trial.attack for trial in part if trial.spoof)
        speakers = {trial.speaker for trial in part} - {UNKNOWN}
        natural = sum(not trial.spoof for trial in part)
        found.recognised.append(
            f"{split}: {natural} natural and {len(part) - natural} synthesised utterances, {len(attacks)} attacks, "
            f"{len(speakers)} speakers"
        )
    path = sources["train"]
    if len(set(sources.values())) == 1 and not says_splits(path, trials):
        found.odd.append(f"{path} names no splits: they are drawn by speaker, in deepfake.prepare.shares")
    known = {trial.attack for trial in trials["train"] if trial.spoof}
    new = {trial.attack for trial in trials["eval"] if trial.spoof} - known
    if not new:
        found.odd.append("eval has no attack that train lacks: its error rates say nothing of new ones")


def says_splits(path: Path, trials: dict[str, list[Trial]]) -> bool:
    """Whether a source of all splits names them."""
    if path.is_dir():
        parts = {Path(trial.utterance).parts[0].lower() for part in trials.values() for trial in part}
        return not parts & {*NATURAL, *SYNTHESISED}
    header = read_header(path)
    return "split" in header.places if header else names_splits(path)


def check_speakers(found: Findings, trials: dict[str, list[Trial]]) -> None:
    """Note unknown speakers of natural speech, and speakers in several splits."""
    natural = [trial for part in trials.values() for trial in part if not trial.spoof]
    unknown = sum(trial.speaker == UNKNOWN for trial in natural)
    if unknown:
        found.odd.append(
            f"{unknown} of {len(natural)} natural utterances have no speaker: one could be in two splits unseen"
        )
    with found.collect():
        if shared := shared_speakers(trials):
            found.odd.append(f"{len(shared)} speakers of spoofs alone are in several splits: {some(shared)}")


def find_files(found: Findings, recordings: AudioFolder, trials: dict[str, list[Trial]]) -> dict[Path, Trial]:
    """Find the recording of each trial, as deepfake-prepare does."""
    files: dict[Path, Trial] = {}
    errors = []
    for trial in (trial for part in trials.values() for trial in part):
        try:
            path = recordings.find(trial.utterance, trial.where)
        except InputError as error:
            errors.append(str(error))
            continue
        if path in files:
            errors.append(f"{trial.where}: {path} is the recording of {files[path].where} too")
        files[path] = trial
    found.refuse(errors)
    if left := len(recordings.recordings) - len(files):
        found.dropped.append(f"{left} recordings are in no protocol")
    return files


def check_files(found: Findings, files: dict[Path, Trial]) -> None:
    """Open recordings for a few seconds, in random order; compare contents of all."""
    copies = same_content(list(files))
    disputed = [group for group in copies if len({files[path].spoof for path in group}) > 1]
    found.refuse([f"{' = '.join(map(str, group))}: one content, natural and synthesised" for group in disputed])
    if len(copies) > len(disputed):
        first = next(group for group in copies if group not in disputed)
        found.odd.append(f"{len(copies) - len(disputed)} recordings come twice, such as {first[0]} = {first[1]}")
    shortest, longest = (load_as(f"deepfake.prepare.{key}", float) for key in ("min_seconds", "max_seconds"))
    paths, started = list(files), time.monotonic()
    errors: list[str] = []
    rates: Counter[int] = Counter()
    for row in np.random.default_rng(load_seed()).permutation(len(paths)).tolist():
        if time.monotonic() - started > SECONDS:
            break
        seconds, rate, problem = open_recording(paths[row])
        if problem:
            errors.append(problem)
            continue
        rates[rate] += 1
        if not shortest <= seconds <= longest:
            errors.append(f"{paths[row]}: {seconds:.3f} s; expected {shortest:g} to {longest:g} s")
    found.recognised.append(f"{rates.total()} of {len(paths)} recordings opened")
    found.refuse(errors)
    if others := {rate: count for rate, count in rates.items() if rate != RATE}:
        counts = some([f"{count} of {rate} Hz" for rate, count in sorted(others.items())])
        found.odd.append(f"resampled to {RATE} Hz: {counts}; natural and synthesised ones should share one history")


def open_recording(path: Path) -> tuple[float, int, str]:
    """Seconds and rate by a recording's header, or what is wrong with it."""
    try:
        about = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as error:
        return 0.0, 0, f"{path}: not audio that can be read: {error}"
    return about.frames / about.samplerate, about.samplerate, ""


def check_segments(found: Findings, folder: Path, trials: Sequence[Trial]) -> None:
    """Say whether places of spoofed stretches are known."""
    labels = find_segment_labels(folder, "eval")
    if labels is None:
        found.missing.append("segment labels: localisation is measured on spoofs with a natural twin, if there are any")
        return
    path, seconds = labels
    names = read_segment_labels(path)
    have = sum(trial.utterance in names or Path(trial.utterance).stem in names for trial in trials)
    found.recognised.append(f"{path}: segments of {seconds:g} s of {have} eval utterances")
