"""Partial spoofs: spliced from natural utterances and their copy-synthesis, or labelled by a person; and where."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, starts_of, to_integers
from reprise.deepfake.data.splice import splice

MARGIN = 0.1  # seconds at both ends that stay natural
LARGEST_SHARE = 0.6  # of an utterance
LEAST_STRETCH = 640  # samples, 0.04 s: holds a whole frame of an explanation (0.02 s) wherever frames begin
LEAST_LENGTH = int(2 * LEAST_STRETCH / (1 - LARGEST_SHARE))  # samples, 0.2 s: one side of a stretch holds a frame too


def make_partial_spoofs(corpus: Corpus, count: int, seconds: tuple[float, float], seed: int) -> Corpus:
    """Splice spoofs into their twins, at most one a spoof; those shorter than LEAST_LENGTH are left whole.

    Args:
        corpus: a split with twins.
        count: how many; fewer where there are fewer twins.
        seconds: shortest and longest stretch.
        seed: of the choice and the places.

    Returns:
        A corpus of partial spoofs; its table names the spoof (`source`) and has the spoofed stretches as samples
        [start, end) (`spans`). `spoof` is true, `twin` is the row in `corpus` of the same speaker.
    """
    generator = np.random.default_rng(seed)
    spoken = corpus.table["twin"].to_numpy()
    rows = np.flatnonzero((spoken >= 0) & (np.minimum(corpus.samples, corpus.samples[spoken]) >= LEAST_LENGTH))
    rows = np.sort(generator.permutation(rows)[:count])
    records, waveforms = [], []
    for row in rows:
        natural, spoof = corpus.waveform(int(spoken[row])), corpus.waveform(int(row))
        length = min(len(natural), len(spoof))
        longest = int(min(seconds[1] * RATE, LARGEST_SHARE * length))
        width = int(generator.integers(min(int(seconds[0] * RATE), longest), longest + 1))
        margin = min(int(MARGIN * RATE), (length - width) // 2)
        start = int(generator.integers(margin, length - width - margin + 1))
        waveforms.append(splice(natural[:length], spoof[:length], start, start + width))
        source = corpus.table.iloc[row]
        records.append(
            {
                "utterance": f"{source['utterance']}-partial",
                "source": source["utterance"],
                "attack": source["attack"],
                "spoof": True,
                "twin": int(spoken[row]),
                "spans": [[start, start + width]],
            }
        )
    return to_corpus(records, [to_integers(waveform) for waveform in waveforms])


def take_labelled_spoofs(corpus: Corpus, spans: Mapping[str, Sequence[Sequence[int]]], count: int, seed: int) -> Corpus:
    """Take the spoofs of a split of which a person says which stretches are spoofed.

    Args:
        corpus: a split.
        spans: samples [start, end) by utterance; one that is spoofed or natural all over says nothing of places.
        count: how many at most, drawn at random.
        seed: of the draw.

    Returns:
        As `make_partial_spoofs`; an utterance is its own `source`, and `twin` is its row.
    """
    names = corpus.table["utterance"].to_numpy()
    rows = [row for row in np.flatnonzero(corpus.spoof).tolist() if says_where(spans.get(names[row], []), corpus, row)]
    chosen = np.sort(np.random.default_rng(seed).permutation(np.array(rows, np.int64))[:count]).tolist()
    records, pieces = [], []
    for row in chosen:
        source = corpus.table.iloc[row]
        start, length = int(source["start"]), int(source["samples"])
        pieces.append(np.array(corpus.audio[start : start + length]))
        records.append(
            {
                "utterance": f"{source['utterance']}-labelled",
                "source": source["utterance"],
                "attack": source["attack"],
                "spoof": True,
                "twin": row,
                "spans": [[int(first), int(last)] for first, last in spans[source["utterance"]]],
            }
        )
    return to_corpus(records, pieces)


def says_where(spans: Sequence[Sequence[int]], corpus: Corpus, row: int) -> bool:
    """Whether some stretch of an utterance, and some of the rest, is long enough to be a frame of an explanation."""
    length = int(corpus.samples[row])
    edges = [0, *(edge for span in spans for edge in span), length]
    rest = [end - start for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return max((end - start for start, end in spans), default=0) >= LEAST_STRETCH <= max(rest)


def join_partial_spoofs(first: Corpus, second: Corpus) -> Corpus:
    """Put two corpora of partial spoofs one after the other."""
    table = pd.concat([first.table, second.table], ignore_index=True)
    return Corpus(
        table.assign(start=starts_of(table["samples"].to_numpy())), np.concatenate([first.audio, second.audio])
    )


def to_corpus(records: list[dict[str, Any]], pieces: list[np.ndarray]) -> Corpus:
    """Make a corpus of rows and their samples (n,) int16."""
    lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
    table = pd.DataFrame(records, columns=["utterance", "source", "attack", "spoof", "twin", "spans"])
    table = table.assign(start=starts_of(lengths), samples=lengths)
    return Corpus(table, np.concatenate([np.zeros(0, np.int16), *pieces]))
