"""Split trials into train, dev and eval so that no speaker is in two of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from reprise.core.errors import InputError
from reprise.deepfake.data.protocols import UNKNOWN, Trial


def split_by_speaker(
    path: Path, trials: Sequence[Trial], shares: Mapping[str, float], seed: int
) -> dict[str, list[Trial]]:
    """Split trials by speaker, natural and synthesised ones alike in the given shares as far as speakers allow.

    Speakers go one by one, those with most utterances first, to the split that lacks most of what they bring. Without
    a speaker, trials of one file name stay together: a spoof is often called like the recording that it was made of.

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
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(group_of(trial), []).append(trial)
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
    return {split: [trial for trial in trials if home[group_of(trial)] == split] for split in shares}


def group_of(trial: Trial) -> str:
    """What may not be torn apart: the speaker's trials, or those of one file name."""
    if trial.speaker != UNKNOWN:
        return f"speaker {trial.speaker}"
    return f"file {PurePosixPath(trial.utterance).name.partition('.')[0]}"
