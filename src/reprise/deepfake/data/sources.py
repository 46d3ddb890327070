"""Where trials come from: a protocol of ASVspoof, a table with a header, or folders; recognised by what is there."""

from collections.abc import Mapping
from pathlib import Path

from reprise.core.errors import InputError
from reprise.core.seed import derive_seed
from reprise.deepfake.data.class_folders import read_class_folders
from reprise.deepfake.data.metadata import read_header, read_metadata
from reprise.deepfake.data.protocols import (
    Trial,
    names_splits,
    parse_line,
    read_lines,
    read_protocol,
    refuse_one_kind,
    refuse_repeated,
    refuse_shared_utterances,
)
from reprise.deepfake.data.speaker_split import split_by_speaker


def source_kind(path: Path) -> str:
    """What a source of trials is, in words."""
    if path.is_dir():
        return "folders real/ and fake/"
    return "table with a header" if read_header(path) else "protocol in a layout of ASVspoof"


def read_trials(paths: Mapping[str, Path], shares: Mapping[str, float], seed: int) -> dict[str, list[Trial]]:
    """Read the trials of all splits.

    A source that several splits name and that says nothing of splits is split between them by speaker.

    Args:
        paths: a source for each split.
        shares: of the utterances, for each split.
        seed: of that split.

    Raises:
        InputError: what the readers say; an utterance twice or in two splits; a split with one kind alone.
    """
    trials: dict[str, list[Trial]] = {}
    for path in dict.fromkeys(paths.values()):
        splits = [split for split, own in paths.items() if own == path]
        trials |= read_source(path, {split: shares[split] for split in splits}, seed)
    ordered = {split: trials[split] for split in paths}
    refuse_shared_utterances(ordered)
    return ordered


def read_source(path: Path, shares: Mapping[str, float], seed: int) -> dict[str, list[Trial]]:
    """Read one source's trials of the splits that name it, which are the keys of `shares`."""
    header = None if path.is_dir() else read_header(path)
    if header is None and not path.is_dir():
        if len(shares) == 1 or names_splits(path):
            return {split: read_protocol(path, split) for split in shares}
        rows = [(parse_line(f"{path}:{number}", line, ""), None) for number, line in read_lines(path)]
        given: list[tuple[Trial, str | None]] = [(trial, split) for trial, split in rows if trial is not None]
    else:
        given = read_class_folders(path) if header is None else read_metadata(path, header)
    refuse_repeated([trial for trial, _ in given])
    named = [split is not None for _, split in given]
    if any(named) and not all(named):
        where = given[named.index(False)][0].where
        raise InputError(f"{where}: in no split, though others of {path} are")
    if any(named):
        found = {split: [trial for trial, own in given if own == split] for split in shares}
    elif len(shares) == 1:
        found = {split: [trial for trial, _ in given] for split in shares}
    else:
        found = split_by_speaker(path, [trial for trial, _ in given], shares, derive_seed(seed, "deepfake-split"))
    for split, part in found.items():
        refuse_one_kind(path, split, part)
    return found
