"""Scores of whole utterances: as they are up to a length, in equal chunks beyond, whose logits are averaged."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.detector.frames import hear
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.pieces import chunk_edges, chunks, frame_chunks

BATCH = 16  # chunks of one length at once
BLOCK = 128  # utterances that are held at once

Hear = Callable[[np.ndarray, Detector, str], np.ndarray]


@torch.inference_mode()
def score_frames(recordings: Iterable[np.ndarray], detector: Detector, device: str = "cpu") -> list[float]:
    """Score the frames (M, C) of each recording: minus the mean logit of its chunks; high for natural speech.

    Chunks of one length go through the detector together.
    """
    cut = [frame_chunks(frames) for frames in recordings]
    logits = [np.zeros(len(parts)) for parts in cut]
    by_length: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row, parts in enumerate(cut):
        for place, part in enumerate(parts):
            by_length[len(part)].append((row, place))
    for places in by_length.values():
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            pieces = torch.from_numpy(np.stack([cut[row][place] for row, place in batch])).float().to(device)
            found = detector.judge(detector.condense(pieces)).logits.tolist()
            for (row, place), logit in zip(batch, found, strict=True):
                logits[row][place] = logit
    return [-float(each.mean()) for each in logits]


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
        return score_frames([listen(samples, detector, device)], detector, device)[0]
    logits = [float(detector(torch.from_numpy(chunk)[None].to(device)).logits[0]) for chunk in chunks(samples)]
    return -float(np.mean(logits))


def chunk_logits(samples: Tensor, detector: Detector) -> Tensor:
    """Logits (B,) of recordings (B, N) of one length, heard anew: the mean over their chunks."""
    parts = samples.tensor_split(chunk_edges(samples.shape[1]), dim=1)
    return torch.stack([detector(part).logits for part in parts]).mean(0)


def score_rows(
    corpus: Corpus, rows: Sequence[int], detector: Detector, device: str, listen: Hear = hear
) -> list[float]:
    """Scores of some utterances of a corpus, together where a frozen encoder hears them."""
    if detector.framed:
        return score_frames([listen(corpus.waveform(row), detector, device) for row in rows], detector, device)
    return [score_utterance(corpus.waveform(row), detector, device) for row in rows]


def score_corpus(corpus: Corpus, detector: Detector, device: str, listen: Hear = hear) -> np.ndarray:
    """Scores (N,) of all utterances of a corpus."""
    blocks = range(0, len(corpus), BLOCK)
    scores = [
        score_rows(corpus, range(start, min(start + BLOCK, len(corpus))), detector, device, listen)
        for start in tqdm(blocks, "scoring", disable=None)
    ]
    return np.concatenate([np.zeros(0), *scores])
