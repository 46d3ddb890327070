import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from reprise.deepfake.detector.baseline import STATISTICS
from reprise.deepfake.quality.baseline import (
    CHANNEL_COPIES,
    TrainingSet,
    as_module,
    copy_statistics,
    corpus_statistics,
    make_training_set,
    train_baseline,
)
from reprise.deepfake.quality.metrics import (
    equal_error_rate,
)
from tests.deepfake.helpers import make_corpus


def test_the_baseline_tells_hum_from_noise_and_chooses_on_dev():
    train, dev, held_out = make_corpus(8, seed=1), make_corpus(4, seed=2), make_corpus(4, seed=3)
    statistics = [corpus_statistics(corpus) for corpus in (train, dev, held_out)]
    learned = make_training_set(train, statistics[0], 1, 0)
    baseline, penalty = train_baseline(learned, statistics[1], dev.spoof)
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


def test_copies_differ_and_are_the_same_again():
    corpus = make_corpus(2)
    for kind in ("channel", "resynthesis"):
        found = copy_statistics(corpus, [0, 1], kind, 2, 0)
        assert found.shape == (4, STATISTICS)
        assert np.isfinite(found).all()
        assert len(np.unique(found[:, 0])) == 4
        np.testing.assert_array_equal(found, copy_statistics(corpus, [0, 1], kind, 2, 0))
        assert copy_statistics(corpus, [0, 1], kind, 0, 0).shape == (0, STATISTICS)


@pytest.mark.parametrize("resyntheses", [0, 3])
def test_the_training_set_holds_every_utterance_its_copies_and_resyntheses_of_natural_speech(resyntheses):
    corpus = make_corpus(2)
    own = corpus_statistics(corpus)
    learned = make_training_set(corpus, own, resyntheses, 0)
    made = 2 * resyntheses
    assert learned.statistics.shape == (4 + 4 * CHANNEL_COPIES + made, STATISTICS)
    np.testing.assert_array_equal(learned.statistics[:4], own)
    np.testing.assert_array_equal(
        learned.statistics[4 : 4 + CHANNEL_COPIES], copy_statistics(corpus, [0], "channel", CHANNEL_COPIES, 0)
    )
    spoofs = [False, False, True, True]
    assert learned.spoof.tolist() == spoofs + [each for each in spoofs for _ in range(CHANNEL_COPIES)] + [True] * made
    parts = np.split(learned.weights, [4, 4 + 4 * CHANNEL_COPIES])
    assert [part.sum() for part in parts] == pytest.approx([4, 2, 3 if made else 0])


def test_both_classes_weigh_the_same_whatever_the_weights_and_numbers_of_rows():
    generator = np.random.default_rng(0)
    spoof = np.arange(60) % 3 == 0
    plain = generator.normal(0, 1, (60, 2)) + 0.5 * spoof[:, None]  # the classes overlap, so that weights decide
    statistics = np.tile(plain, (1, STATISTICS // 2)).astype(np.float32)
    weights = np.where(spoof, 0.25, 1.0)  # spoofs 5 in total, natural ones 40
    baseline, penalty = train_baseline(TrainingSet(statistics, spoof, weights), statistics, spoof)

    def scores(weight_of_spoofs: float, weight_of_natural: float) -> np.ndarray:
        machine = make_pipeline(StandardScaler(), SVC(C=penalty, gamma=1 / STATISTICS))
        rows = np.where(spoof, weight_of_spoofs, weight_of_natural)
        return -machine.fit(statistics, spoof, svc__sample_weight=rows).decision_function(statistics)

    found = baseline.scores(statistics)
    np.testing.assert_allclose(found, scores(22.5 / 20, 22.5 / 40), atol=1e-3)
    by_rows = scores(0.25 * 60 / 40, 60 / 80)  # what SVC's `class_weight` makes of these weights
    assert np.abs(found - by_rows).max() > 0.1
