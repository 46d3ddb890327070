from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.detector.pieces import CHUNK_SECONDS, chunks
from reprise.deepfake.detector.scoring import score_utterance


def test_long_utterances_are_scored_in_equal_chunks():
    assert [len(chunk) for chunk in chunks(np.zeros(RATE))] == [RATE]
    lengths = [len(chunk) for chunk in chunks(np.zeros(int(2.5 * CHUNK_SECONDS * RATE)))]
    assert len(lengths) == 3
    assert max(lengths) - min(lengths) <= 1
    assert len(chunks(np.ones(10))[0]) == int(0.4 * RATE)
    samples = np.concatenate([np.full(int(CHUNK_SECONDS * RATE), value, np.float32) for value in (1.0, 3.0)])

    class Mean(torch.nn.Module):
        framed = False

        def forward(self, x):
            return SimpleNamespace(logits=x.mean(1))

    detector: Any = Mean()
    assert score_utterance(samples, detector) == pytest.approx(-2.0)
