"""Scores of whole utterances: as they are up to a length, in equal chunks beyond, whose logits are averaged."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.crops import fit_length
from reprise.deepfake.data.dataset import Corpus
from reprise.deepfake.detector.model import Detector

CHUNK_SECONDS = 8.0
SHORTEST_SECONDS = 0.4  # shorter ones are repeated up to it


def chunks(samples: np.ndarray) -> "list[np.ndarray]":
    """Cut samples (N,) into the fewest equal chunks of at most CHUNK_SECONDS."""
    if len(samples) < SHORTEST_SECONDS * RATE:
        return [fit_length(samples, int(SHORTEST_SECONDS * RATE))]
    count = -(-len(samples) // int(CHUNK_SECONDS * RATE))
    return np.array_split(samples, count)


@torch.inference_mode()
def score_utterance(samples: np.ndarray, logits: "Callable[[Tensor], Tensor]", device: str = "cpu") -> float:
    """Score of samples (N,): minus the mean logit of the chunks; high for natural speech.

    Args:
        samples: at 16 kHz.
        logits: (B, N) -> (B,).
        device: where `logits` runs.
    """
    values = [float(logits(torch.from_numpy(chunk)[None].to(device))[0]) for chunk in chunks(samples)]
    return -float(np.mean(values))


def score_corpus(corpus: Corpus, detector: Detector, device: str) -> np.ndarray:
    """Scores (N,) of all utterances of a corpus."""

    def logits(samples: Tensor) -> Tensor:
        return detector(samples).logits

    return np.array([score_utterance(corpus.waveform(row), logits, device) for row in range(len(corpus))])
