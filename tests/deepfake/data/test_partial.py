import numpy as np

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.partial import LEAST_LENGTH, LEAST_STRETCH, make_partial_spoofs
from tests.deepfake.helpers import make_corpus


def test_partial_spoofs_of_a_corpus_know_their_stretch():
    corpus = make_corpus(6)
    partial = make_partial_spoofs(corpus, 4, (0.2, 0.4), seed=0)
    assert len(partial) == 4
    for row in range(4):
        entry, made = partial.table.iloc[row], partial.waveform(row)
        natural = corpus.waveform(int(entry["twin"]))
        differs = np.flatnonzero(np.abs(made - natural[: len(made)]) > 2e-4)
        ((start, end),) = entry["spans"]
        assert start <= differs.min()
        assert differs.max() < end
        assert 0.2 * RATE <= end - start <= 0.4 * RATE
    for row in range(len(corpus)):
        corpus.table.loc[row, "samples"] = LEAST_LENGTH - (row % 2)  # every second one is too short
    short = make_partial_spoofs(corpus, 6, (0.04, 0.4), seed=0)
    assert short.table["source"].tolist() == ["u0-6", "u0-8", "u0-10"]
    for spans, samples in zip(short.table["spans"].tolist(), short.samples.tolist(), strict=True):
        ((start, end),) = spans
        assert end - start >= LEAST_STRETCH
        assert max(start, samples - end) >= LEAST_STRETCH
    corpus.table["twin"] = -1
    assert len(make_partial_spoofs(corpus, 4, (0.2, 0.4), seed=0)) == 0
