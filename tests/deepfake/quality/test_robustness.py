import numpy as np

from reprise.deepfake.detector.channel import CHANNELS
from reprise.deepfake.quality.robustness import choose_evenly, robustness, through
from tests.deepfake.helpers import make_corpus, speech


def test_rows_are_drawn_of_both_classes():
    spoof = np.arange(100) % 5 > 0
    rows = choose_evenly(spoof, 20, 0)
    assert len(set(rows.tolist())) == 20
    assert spoof[rows].sum() == 10
    assert len(choose_evenly(spoof, 0, 0)) == 0
    assert len(choose_evenly(spoof, 1000, 0)) == 100


def test_every_system_hears_the_same_samples_and_a_perfect_one_stays_perfect():
    heard: list[np.ndarray] = []
    corpus = make_corpus(2)

    def score(samples):
        heard.append(samples)
        natural = float(len(heard) % 4 in (1, 2))
        return {"detector": natural, "baseline": -natural}

    report = robustness(corpus, np.arange(4), score, lambda detector, baseline: 2 * detector + baseline, 0)
    assert list(report) == ["clean", *CHANNELS, "all"]
    assert all(rates == {"detector": 0.0, "baseline": 1.0, "fused": 0.0} for rates in report.values())
    np.testing.assert_array_equal(heard[0], corpus.waveform(0))
    assert robustness(corpus, np.zeros(0, int), score, np.add, 0) == {}


def test_all_channels_do_more_than_one():
    samples = speech(1.0, 0)
    one, everything = (through(kind, samples, np.random.default_rng(0)) for kind in ("mp3", "all"))
    assert np.corrcoef(samples, one)[0, 1] > np.corrcoef(samples, everything)[0, 1]
