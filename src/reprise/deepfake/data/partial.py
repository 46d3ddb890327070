"""Partial spoofs: natural utterances with a stretch of their copy-synthesis, and which stretch."""

import numpy as np
import pandas as pd

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, starts_of, to_integers
from reprise.deepfake.data.splice import splice

MARGIN = 0.1  # seconds at both ends that stay natural
LARGEST_SHARE = 0.6  # of an utterance


def make_partial_spoofs(corpus: Corpus, count: int, seconds: tuple[float, float], seed: int) -> Corpus:
    """Splice spoofs into their twins, at most one a spoof.

    Args:
        corpus: a split with twins.
        count: how many; fewer where there are fewer twins.
        seconds: shortest and longest stretch.
        seed: of the choice and the places.

    Returns:
        A corpus of partial spoofs; its table names the spoof (`source`) and has the first and the last spoofed sample
        (`span_start`, `span_end`). `spoof` is true, `twin` points into `corpus`.
    """
    generator = np.random.default_rng(seed)
    spoken = corpus.table["twin"].to_numpy()
    rows = np.flatnonzero(spoken >= 0)
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
                "span_start": start,
                "span_end": start + width,
            }
        )
    columns = ["utterance", "source", "attack", "spoof", "twin", "span_start", "span_end"]
    lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
    table = pd.DataFrame(records, columns=columns).assign(start=starts_of(lengths), samples=lengths)
    audio = np.concatenate([np.zeros(0, np.float32), *waveforms])
    return Corpus(table, to_integers(audio))
