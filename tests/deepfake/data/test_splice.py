import numpy as np

from reprise.deepfake.data.splice import fit_length, splice


def test_short_utterances_are_repeated():
    assert fit_length(np.arange(3), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert fit_length(np.arange(9), 4).tolist() == [0, 1, 2, 3]


def test_a_splice_is_faded_at_its_inner_ends():
    natural, spoof = np.zeros(1000, np.float32), np.ones(1000, np.float32)
    made = splice(natural, spoof, 200, 700)
    assert (made[:200] == 0).all()
    assert (made[700:] == 0).all()
    assert (made[360:540] == 1).all()
    assert (np.diff(made[200:360]) >= 0).all()
    assert np.abs(np.diff(made)).max() < 0.01
    assert splice(natural, spoof, 0, 1000).min() == 1
