import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from reprise.deepfake.data.partial import make_partial_spoofs
from reprise.deepfake.data.windows import Windows
from reprise.deepfake.explainer.curve import FRAME
from reprise.deepfake.quality.faithfulness import (
    FRACTIONS,
    faithfulness,
    frame_labels,
    localise,
    most_important,
    pointing_hit,
    replace_frames,
    replacements,
)
from tests.deepfake.helpers import make_corpus


def test_frames_labels_and_importance():
    labels = frame_labels(10 * FRAME, [(3 * FRAME, 6 * FRAME + FRAME // 4)])
    assert labels.nonzero()[0].tolist() == [3, 4, 5]
    assert pointing_hit(np.where(labels, 1.0, 0.5), labels) == 1.0
    assert pointing_hit(np.ones(10), labels) == pytest.approx(0.3)
    assert most_important(np.array([0.9, 0.1, 0.5, 0.8]), 0.5).tolist() == [False, False, True, True]
    assert most_important(np.ones(4), 0.5).tolist() == [True, True, False, False]
    assert not most_important(np.ones(4), 0.0).any()
    assert most_important(np.ones(4), 1.0).all()


def test_localisation_is_the_mean_over_utterances_of_the_area_over_frames():
    partial = make_partial_spoofs(make_corpus(3), 3, (0.2, 0.4), seed=0)
    windows = Windows(np.zeros((3, 1, 1)), pd.DataFrame({"start": [0, 1, 2], "count": [1, 1, 1]}))

    def rising(samples, described):
        return np.arange(len(samples) // FRAME, dtype=float)

    areas = []
    for row in range(3):
        entry = partial.table.iloc[row]
        labels = frame_labels(entry["samples"], entry["spans"])
        areas.append(roc_auc_score(labels, np.arange(len(labels))))
    found = localise(rising, partial, windows, np.array(["a", "b", "b"]), 0)
    assert found["localisation_auc"] == pytest.approx(np.mean(areas))
    assert 0 <= found["segment_eer"] <= 1
    means = sorted([areas[0], np.mean(areas), np.mean(areas[1:])])  # a quarter, a half and a quarter of the draws
    assert found["localisation_auc_ci95"] == pytest.approx([means[0], means[2]], abs=1e-4)
    low, high = found["pointing_game_ci95"]
    assert low <= found["pointing_game"] <= high


def test_replacing_frames_puts_the_others_samples_there():
    samples, other = np.zeros(10 * FRAME, np.float32), np.ones(10 * FRAME, np.float32)
    frames = np.zeros(10, bool)
    frames[4:7] = True
    made_of_both = replace_frames(samples, other, frames)
    assert (made_of_both[: 4 * FRAME - 50] == 0).all()
    assert np.allclose(made_of_both[4 * FRAME + 50 : 7 * FRAME - 50], 1, atol=1e-5)
    assert np.allclose(replace_frames(samples, other, np.ones(10, bool)), 1, atol=1e-5)
    assert (
        len(replace_frames(np.zeros(FRAME + 7, np.float32), np.ones(FRAME + 7, np.float32), np.ones(1, bool)))
        == FRAME + 7
    )


def test_the_true_order_is_the_most_faithful():
    """A detector that hears the third frame alone."""
    samples, natural = np.ones(10 * FRAME, np.float32), np.zeros(10 * FRAME, np.float32)

    heard: list[bytes] = []

    def probability(recordings):
        recordings = list(recordings)
        heard.extend(recording.tobytes() for recording in recordings)
        return np.array([recording[3 * FRAME + 100 : 4 * FRAME - 100].mean() for recording in recordings])

    importances = {"right": np.eye(10)[3], "again": 2 * np.eye(10)[3], "false": 1 - np.eye(10)[3]}
    right, again, false = faithfulness(samples, natural, importances, probability).values()
    assert again == right
    assert len(heard) == 2 * 11  # no frame, all frames, eight frames, and four stretches of either order
    assert right["deletion_auc"] < 0.1 < 0.6 < false["deletion_auc"]
    assert right["insertion_auc"] > 0.9
    assert right["comprehensiveness"] == pytest.approx(1, abs=1e-3)
    assert false["comprehensiveness"] == pytest.approx(0, abs=1e-3)
    assert right["sufficiency"] == pytest.approx(0, abs=1e-3)
    assert FRACTIONS[0] == 0
    assert FRACTIONS[-1] == 1


def test_frames_are_replaced_by_twins_else_by_the_speaker_else_by_anyone():
    corpus = make_corpus(4)
    corpus.table.loc[5, "twin"] = -1
    corpus.table.loc[6, "twin"] = -1
    corpus.table.loc[6, "speaker"] = "nobody"
    found, kinds = replacements(corpus, np.array([4, 5, 6]), 0)
    assert dict(kinds) == {"twin": 1, "same_speaker": 1, "other_speaker": 1}
    assert np.array_equal(found[0], corpus.waveform(0))
    assert np.corrcoef(found[1], corpus.waveform(1))[0, 1] > 0.99
