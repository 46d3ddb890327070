"""Descriptions of short windows, as `deepfake.windows` writes them and explainers read them."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from reprise.core.files import new_npy, read_npy, read_parquet, write_parquet
from reprise.deepfake.data.corpus import starts_of


@dataclasses.dataclass(frozen=True)
class Windows:
    """Descriptions of the moments of several utterances.

    Attributes:
        values: (moments of all, W, V + 1): for each window length the detector's vector and, last, its logit.
        index: one row an utterance: its name, its first moment (`start`), its number of moments (`count`); in train
            and dev whether it is a spoof; in train which of its moments are spoofed (`spoofed`), where that is known.
    """

    values: np.ndarray
    index: pd.DataFrame

    def __len__(self) -> int:
        return len(self.index)

    @property
    def spoof(self) -> np.ndarray:
        """(N,) bool."""
        return self.index["spoof"].to_numpy(dtype=bool)

    def utterance(self, row: int) -> np.ndarray:
        """(M, W, V + 1) of one utterance."""
        start, count = (int(self.index[name].to_numpy()[row]) for name in ("start", "count"))
        return np.array(self.values[start : start + count])

    def spoofed(self, row: int) -> np.ndarray:
        """(M,) float32 of one utterance: 1 where a moment is spoofed, 0 where it is not, NaN where nobody knows."""
        known = self.index["spoofed"].to_numpy()[row]
        return np.array(known if len(known) else [np.nan] * int(self.index["count"].to_numpy()[row]), np.float32)


def write_windows(folder: Path, utterances: pd.DataFrame, shape: tuple[int, int], values: Iterable[np.ndarray]) -> None:
    """Write descriptions one utterance after the other, so that they need not fit into memory.

    Args:
        folder: gets windows.npy and index.parquet.
        utterances: N rows: what the index says of each, among it its number of moments, `count`.
        shape: W, V + 1.
        values: N arrays (count, W, V + 1) float32.
    """
    counts = utterances["count"].to_numpy()
    starts = starts_of(counts)
    with new_npy(folder / "windows.npy", (int(counts.sum()), *shape), "float32") as array:
        for start, count, described in zip(starts, counts, values, strict=True):
            array[start : start + count] = described
    write_parquet(folder / "index.parquet", utterances.assign(start=starts))


def read_windows(folder: Path) -> Windows:
    """Open what `write_windows` wrote.

    Raises:
        InputError: missing or damaged.
    """
    return Windows(read_npy(folder / "windows.npy"), read_parquet(folder / "index.parquet"))
