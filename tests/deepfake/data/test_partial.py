import numpy as np

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.partial import make_partial_spoofs
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
    corpus.table["twin"] = -1
    assert len(make_partial_spoofs(corpus, 4, (0.2, 0.4), seed=0)) == 0
