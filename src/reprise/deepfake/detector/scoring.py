"""Scores of whole utterances: as they are up to a length, in equal chunks beyond, whose logits are averaged."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.frames import hear
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.pieces import chunk_count, chunks, frame_chunks

Hear = Callable[[np.ndarray, Detector, str], np.ndarray]


@torch.inference_mode()
def score_frames(frames: np.ndarray, detector: Detector, device: str = "cpu") -> float:
    """Score the frames (M, C) of a recording: minus the mean logit of the chunks; high for natural speech."""
    pieces = (torch.from_numpy(np.array(part)).float()[None].to(device) for part in frame_chunks(frames))
    return -float(np.mean([float(detector.judge(detector.condense(piece)).logits[0]) for piece in pieces]))


@torch.inference_mode()
def score_utterance(samples: np.ndarray, detector: Detector, device: str = "cpu", listen: Hear = hear) -> float:
    """Score samples (N,): minus the mean logit of the chunks; high for natural speech.

    Args:
        samples: of the whole utterance.
        detector: on `device`.
        device: such as "cpu".
        listen: how a frozen encoder hears: `hear`, or `hear_once`.
    """
    if detector.framed:
        return score_frames(listen(samples, detector, device), detector, device)
    logits = [float(detector(torch.from_numpy(chunk)[None].to(device)).logits[0]) for chunk in chunks(samples)]
    return -float(np.mean(logits))


def chunk_logits(samples: Tensor, detector: Detector) -> Tensor:
    """Logits (B,) of recordings (B, N) of one length, heard anew: the mean over their chunks."""
    parts = samples.tensor_split(chunk_count(samples.shape[1]), dim=1)
    return torch.stack([detector(part).logits for part in parts]).mean(0)


def score_corpus(corpus: Corpus, detector: Detector, device: str, listen: Hear = hear) -> np.ndarray:
    """Scores (N,) of all utterances of a corpus."""
    rows = tqdm(range(len(corpus)), "scoring", disable=None)
    return np.array([score_utterance(corpus.waveform(row), detector, device, listen) for row in rows])
