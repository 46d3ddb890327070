import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from reprise.deepfake.detector.baseline import STATISTICS
from reprise.deepfake.quality.baseline import (
    as_module,
    corpus_statistics,
    resynthesised_statistics,
    train_baseline,
)
from reprise.deepfake.quality.metrics import (
    equal_error_rate,
)
from tests.deepfake.helpers import make_corpus


def test_the_baseline_tells_hum_from_noise_and_chooses_on_dev():
    train, dev, held_out = make_corpus(8, seed=1), make_corpus(4, seed=2), make_corpus(4, seed=3)
    statistics = [corpus_statistics(corpus) for corpus in (train, dev, held_out)]
    made = resynthesised_statistics(train, 1, 0)
    baseline, penalty = train_baseline(statistics[0], train.spoof, made, statistics[1], dev.spoof)
    scores = baseline.scores(statistics[2])
    assert penalty == 3.0
    assert equal_error_rate(scores, held_out.spoof) == 0.0
    assert scores[~held_out.spoof].min() > scores[held_out.spoof].max()
    assert baseline.score(held_out.waveform(0)) == pytest.approx(scores[0], abs=1e-5)


def test_the_module_decides_as_scikit_learn_does():
    generator = np.random.default_rng(0)
    statistics = generator.normal(3, 2, (60, STATISTICS)) * generator.uniform(0.1, 10, STATISTICS)
    spoof = np.arange(60) % 3 == 0
    statistics[spoof, :50] += 3
    statistics[:, -1] = 7  # does not vary
    scaler, machine = StandardScaler(), SVC(C=3.0, gamma=1 / STATISTICS, class_weight="balanced")
    pipeline = make_pipeline(scaler, machine).fit(statistics, spoof)
    np.testing.assert_allclose(
        as_module(scaler, machine).scores(statistics), -pipeline.decision_function(statistics), atol=1e-4
    )


def test_resyntheses_are_made_of_natural_speech_alone_and_differ():
    corpus = make_corpus(2)
    found = resynthesised_statistics(corpus, 2, 0)
    assert found.shape == (4, STATISTICS)
    assert np.isfinite(found).all()
    assert len(np.unique(found[:, 0])) == 4
    np.testing.assert_array_equal(found, resynthesised_statistics(corpus, 2, 0))
    assert resynthesised_statistics(corpus, 0, 0).shape == (0, STATISTICS)
