from reprise.deepfake.quality.baseline import corpus_statistics, train_baseline
from reprise.deepfake.quality.metrics import (
    equal_error_rate,
)
from tests.deepfake.helpers import make_corpus


def test_the_baseline_tells_hum_from_noise_and_chooses_on_dev():
    train, dev, held_out = make_corpus(8, seed=1), make_corpus(4, seed=2), make_corpus(4, seed=3)
    statistics = [corpus_statistics(corpus) for corpus in (train, dev, held_out)]
    baseline = train_baseline(statistics[0], train.spoof, statistics[1], dev.spoof)
    scores = baseline.scores(statistics[2])
    assert equal_error_rate(scores, held_out.spoof) == 0.0
    assert scores[~held_out.spoof].min() > scores[held_out.spoof].max()
