"""Scores of whole utterances: as they are up to a length, in equal chunks beyond, whose logits are averaged."""

import numpy as np
import torch

from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.data.splice import fit_length
from reprise.deepfake.detector.model import Detector

CHUNK_SECONDS = 8.0
SHORTEST_SECONDS = 0.4  # shorter ones are repeated up to it


def chunks(samples: np.ndarray) -> list[np.ndarray]:
    """Cut samples (N,) into the fewest equal chunks of at most CHUNK_SECONDS."""
    if len(samples) < SHORTEST_SECONDS * RATE:
        return [fit_length(samples, int(SHORTEST_SECONDS * RATE))]
    count = -(-len(samples) // int(CHUNK_SECONDS * RATE))
    return np.array_split(samples, count)


@torch.inference_mode()
def score_utterance(samples: np.ndarray, detector: Detector, device: str = "cpu") -> float:
    """Score samples (N,): minus the mean logit of the chunks; high for natural speech."""
    logits = [float(detector(torch.from_numpy(chunk)[None].to(device)).logits[0]) for chunk in chunks(samples)]
    return -float(np.mean(logits))


def score_corpus(corpus: Corpus, detector: Detector, device: str) -> np.ndarray:
    """Scores (N,) of all utterances of a corpus."""
    return np.array([score_utterance(corpus.waveform(row), detector, device) for row in range(len(corpus))])
