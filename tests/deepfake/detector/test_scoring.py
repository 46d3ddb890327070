from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.pieces import CHUNK_SECONDS, FRAME, chunks
from reprise.deepfake.detector.scoring import chunk_logits, score_rows, score_utterance
from tests.deepfake.helpers import DETECTORS, speech, tiny_recipe


def test_long_utterances_are_scored_in_equal_chunks():
    assert [len(chunk) for chunk in chunks(np.zeros(RATE))] == [RATE]
    lengths = [len(chunk) for chunk in chunks(np.zeros(int(2.5 * CHUNK_SECONDS * RATE)))]
    assert len(lengths) == 3
    assert max(lengths) - min(lengths) <= FRAME
    assert len(chunks(np.ones(10))[0]) == int(0.4 * RATE)
    samples = np.concatenate([np.full(int(CHUNK_SECONDS * RATE), value, np.float32) for value in (1.0, 3.0)])

    class Mean(torch.nn.Module):
        framed = False

        def forward(self, x):
            return SimpleNamespace(logits=x.mean(1))

    detector: Any = Mean()
    assert score_utterance(samples, detector) == pytest.approx(-2.0)


@pytest.mark.parametrize("count", [128_001, 480_000, 1_440_123])
def test_chunks_meet_between_whole_frames(count):
    lengths = [len(chunk) for chunk in chunks(np.zeros(count))]
    assert (sum(lengths), len(lengths)) == (count, -(-count // 128_000))
    assert max(lengths) <= 128_000
    assert all(length % FRAME == 0 for length in lengths[:-1])


@pytest.mark.parametrize("front_end", DETECTORS)
def test_logits_of_any_length_are_those_of_the_scores(front_end, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    detector = Detector(tiny_recipe(front_end, **DETECTORS[front_end])).eval()
    for seconds in (1.0, 7.9, 8.1, 33.0):
        samples = speech(seconds, 0)
        with torch.no_grad():
            found = chunk_logits(torch.from_numpy(np.stack([samples, -samples])), detector)
        scores = [-score_utterance(each, detector) for each in (samples, -samples)]
        assert found.tolist() == pytest.approx(scores, abs=2e-2)  # frames are kept in half precision


@pytest.mark.parametrize("front_end", DETECTORS)
def test_utterances_scored_together_get_the_scores_that_they_get_alone(front_end, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    detector = Detector(tiny_recipe(front_end, **DETECTORS[front_end])).eval()
    waves = [speech(seconds, number) for number, seconds in enumerate((1.0, 9.0, 1.0, 0.2, 8.5, 1.0))]
    corpus: Any = SimpleNamespace(waveform=waves.__getitem__)
    rows = [5, 0, 1, 2, 3, 4]
    alone = [score_utterance(waves[row], detector) for row in rows]
    assert score_rows(corpus, rows, detector, "cpu") == pytest.approx(alone, abs=1e-4)
    assert len({round(score, 5) for score in alone}) == len(rows)
