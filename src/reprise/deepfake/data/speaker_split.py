"""Split trials into train, dev and eval so that no speaker is in two of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from reprise.core.errors import InputError
from reprise.deepfake.data.protocols import UNKNOWN, Trial


def split_by_speaker(
    path: Path | str, trials: Sequence[Trial], shares: Mapping[str, float], seed: int
) -> dict[str, list[Trial]]:
    """Split trials by speaker, natural and synthesised ones alike in the given shares as far as speakers allow.

    Speakers go one by one, those with most utterances first, to the split that lacks most of what they bring. A trial
    without a speaker goes with those of its file name, and so with their speaker: a spoof is often called like the
    recording that it was made of.

    Args:
        path: what they were read from, for the error.
        trials: of both kinds.
        shares: of each split, above 0; they need not sum to 1.
        seed: orders speakers with as many utterances.

    Returns:
        The trials of each split, in their order.

    Raises:
        InputError: a split gets one kind alone.
    """
    group = group_trials(trials)
    groups: dict[str, list[Trial]] = {}
    for trial, name in zip(trials, group, strict=True):
        groups.setdefault(name, []).append(trial)
    names = sorted(groups)
    spoofs = np.array([sum(trial.spoof for trial in groups[name]) for name in names])
    counts = np.stack([np.array([len(groups[name]) for name in names]) - spoofs, spoofs], axis=1)  # (speakers, kinds)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-counts.sum(1)[shuffled], kind="stable")]
    fractions = np.array(list(shares.values())) / sum(shares.values())
    wanted = np.maximum(fractions[:, None] * counts.sum(0), 1e-9)  # (splits, kinds)
    got = np.zeros_like(wanted)
    home: dict[str, str] = {}
    for index in order.tolist():
        lack = 1 - got / wanted
        chosen = int(np.argmax(lack @ counts[index]))
        got[chosen] += counts[index]
        home[names[index]] = list(shares)[chosen]
    if (got == 0).any():
        speakers = (counts > 0).sum(0)
        raise InputError(
            f"{path}: {speakers[0]} speakers of natural and {speakers[1]} of synthesised speech cannot be split into "
            f"{', '.join(shares)}, each with both; expected more, or a protocol for each split"
        )
    return {
        split: [trial for trial, name in zip(trials, group, strict=True) if home[name] == split] for split in shares
    }


def group_trials(trials: Sequence[Trial]) -> list[str]:
    """Name for each trial what may not be torn apart: a speaker's trials, and those of one file name.

    A file name that several speakers have, such as `1.wav`, tells nothing of a trial without a speaker.
    """
    speakers: dict[str, set[str]] = {}
    for trial in trials:
        if trial.speaker != UNKNOWN:
            speakers.setdefault(file_name(trial), set()).add(trial.speaker)

    def group(trial: Trial) -> str:
        known = speakers.get(file_name(trial), set()) if trial.speaker == UNKNOWN else {trial.speaker}
        return f"speaker {next(iter(known))}" if len(known) == 1 else f"file {file_name(trial)}"

    return [group(trial) for trial in trials]


def file_name(trial: Trial) -> str:
    """Name of a trial's file, without folders and extensions."""
    return PurePosixPath(trial.utterance).name.partition(".")[0]
