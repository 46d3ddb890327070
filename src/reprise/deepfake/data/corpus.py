"""Prepared recordings: one array of samples for all, and a table of where each utterance lies in it."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from reprise.core.files import new_npy, read_npy, read_parquet, write_parquet

FULL_SCALE = 32768.0  # of the stored 16-bit samples
PIECE = 10_000_000  # samples copied at once


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Utterances.

    Attributes:
        table: one row each: utterance, path, speaker, attack, spoof (bool), start, samples, twin (row, or -1).
        audio: samples of all, (total,) int16, mapped from the disk.
    """

    table: pd.DataFrame
    audio: np.ndarray

    def __len__(self) -> int:
        return len(self.table)

    @property
    def spoof(self) -> np.ndarray:
        """(N,) bool."""
        return self.table["spoof"].to_numpy()

    @property
    def twin(self) -> np.ndarray:
        """(N,) rows of natural twins, -1 where there is none."""
        return self.table["twin"].to_numpy()

    @property
    def samples(self) -> np.ndarray:
        """(N,) lengths."""
        return self.table["samples"].to_numpy()

    def waveform(self, row: int) -> np.ndarray:
        """Samples (n,) float32 of one utterance."""
        start = int(self.table["start"].to_numpy()[row])
        return self.audio[start : start + int(self.samples[row])].astype(np.float32) / FULL_SCALE


def to_integers(samples: np.ndarray) -> np.ndarray:
    """Samples (N,) in [-1, 1] as they are stored, int16."""
    return np.clip(np.round(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where pieces of lengths (N,) start when they lie one after the other, (N,)."""
    return np.cumsum(lengths) - lengths


def write_corpus(folder: Path, table: pd.DataFrame, audio: np.ndarray) -> None:
    """Write a table and samples (total,) int16, piece by piece, so that they need not fit into memory."""
    with new_npy(folder / "audio.npy", audio.shape, "int16") as array:
        for start in range(0, len(audio), PIECE):
            array[start : start + PIECE] = audio[start : start + PIECE]
    write_parquet(folder / "manifest.parquet", table)


def read_corpus(folder: Path) -> Corpus:
    """Open what `write_corpus` wrote.

    Raises:
        InputError: missing or damaged.
    """
    return Corpus(read_parquet(folder / "manifest.parquet"), read_npy(folder / "audio.npy"))
