import numpy as np

from tests.deepfake.helpers import make_corpus


def test_the_corpus_of_the_tests_is_what_it_says():
    corpus = make_corpus(2)
    assert corpus.spoof.tolist() == [False, False, True, True]
    assert np.corrcoef(np.abs(corpus.waveform(0)), np.abs(corpus.waveform(2)))[0, 1] > 0.2
