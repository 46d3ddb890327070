"""PartialSpoof's segment labels: which stretches of an utterance are synthesised.

`segment_labels/<split>_seglab_<seconds>.npy` (Zhang et al., IEEE/ACM TASLP 2023) holds a dictionary of utterance to
`1` (bona fide) or `0` (spoof) for each segment of so many seconds. NumPy stores a dictionary as a pickle, which could
run any code: what is read here may call nothing but NumPy's own constructors of arrays.
"""

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reprise.core.errors import InputError
from reprise.core.text import compose_name
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.protocols import Trial

NAME = re.compile(r"(train|dev|eval)_seglab_(\d+(?:\.\d+)?)\.npy")
ALLOWED = {  # what np.save's pickle of a dictionary of arrays calls, in NumPy 1 and 2
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
}
TOLERANCE = 2  # segments that labels may be longer or shorter than the recording


class _ArraysAlone(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def find_segment_labels(folder: Path, split: str) -> tuple[Path, float] | None:
    """Find a split's segment labels with the shortest segments, anywhere under a folder: the file and the seconds."""
    found = []
    for path in sorted(folder.rglob(f"{split}_seglab_*.npy")):
        match = NAME.fullmatch(path.name)
        if match and float(match[2]) > 0:
            found.append((float(match[2]), path))
    return next(((path, seconds) for seconds, path in sorted(found)), None)


def read_segment_labels(path: Path) -> dict[str, np.ndarray]:
    """Read which segments of each utterance are spoofed, (n,) bool by name.

    Raises:
        InputError: no dictionary of arrays, or a label other than 0 and 1.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            content = _ArraysAlone(file).load().item() if dtype.hasobject and shape == () else None
    except Exception as error:  # whatever a parser of damaged bytes raises
        raise InputError(f"{path}: not a dictionary of segment labels: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a dictionary of segment labels")
    labels = {}
    for name, values in content.items():
        texts = np.atleast_1d(np.asarray(values)).astype(str)
        if not isinstance(name, str) or texts.ndim != 1 or not np.isin(texts, ("0", "1")).all():
            raise InputError(f"{path}: utterance {name!r}: expected a list of 1 (bona fide) and 0 (spoof)")
        labels[compose_name(name)] = texts == "0"
    return labels


def spoofed_spans(path: Path, seconds: float, trials: Sequence[Trial], lengths: Mapping[str, int]) -> dict[str, Any]:
    """Work out the spoofed stretches of a split's spoofs, as samples [start, end) by utterance.

    Args:
        path: of the segment labels.
        seconds: of a segment.
        trials: of the split.
        lengths: samples of each utterance.

    Raises:
        InputError: labels that contradict the protocol, or do not fit a recording's length.
    """
    labels = read_segment_labels(path)
    spans = {}
    for trial in trials:
        spoofed = labels.get(trial.utterance, labels.get(Path(trial.utterance).stem))
        if spoofed is None:
            continue
        if not trial.spoof and spoofed.any():
            raise InputError(f"{trial.where}: {trial.utterance!r} is bonafide, but {path} has spoofed segments of it")
        length, width = lengths[trial.utterance], seconds * RATE
        if abs(len(spoofed) * width - length) > TOLERANCE * width:
            raise InputError(
                f"{path}: utterance {trial.utterance!r}: {len(spoofed)} segments of {seconds:g} s; "
                f"the recording has {length / RATE:.2f} s"
            )
        if trial.spoof:
            spans[trial.utterance] = runs(spoofed, width, length)
    return spans


def runs(spoofed: np.ndarray, width: float, length: int) -> list[list[int]]:
    """Join neighbouring spoofed segments (n,) bool of `width` samples to stretches, within the recording's length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], spoofed, [False]]).astype(np.int8)))
    places = np.minimum(np.round(edges * width), length).astype(int)
    if len(edges) and edges[-1] == len(spoofed):
        places[-1] = length  # labels may end a little before the recording
    return [[int(start), int(end)] for start, end in places.reshape(-1, 2) if end > start]
