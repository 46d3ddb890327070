"""Describe short windows of every utterance by the frozen detector: the evidence that explanations are made of.

    python src/run.py deepfake.windows

Writes data/deepfake/windows/<train, dev, eval, partial>: windows.npy (moments of all utterances, W, V + 1) float32,
and index.parquet: where each utterance's moments start and how many there are, with the labels of train and dev.
"""

import contextlib
import logging
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from tqdm import tqdm

from reprise.core.devices import torch_devices
from reprise.core.params import Hardware, load_params
from reprise.core.seed import use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, read_corpus
from reprise.deepfake.data.windows import write_windows
from reprise.deepfake.detector.frames import hear_once
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import load_detector
from reprise.deepfake.detector.pieces import moment_centres
from reprise.deepfake.detector.windows import describe
from reprise.deepfake.paths import PARTIAL, PREPARED, TIMING, WINDOWS

logger = logging.getLogger("reprise")

LABELLED = ("train", "dev")  # the explainers learn from these
PROCESS: dict[str, Detector] = {}  # of a process of the pool

Describe = Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]


def main() -> None:
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(hardware.training_threads)
    device = torch_devices(hardware)[0]
    seconds = 0.0
    with timed(TIMING / "windows.json") as figures, contextlib.ExitStack() as stack:
        detector, _ = load_detector(device=device)
        shape = describe(np.full(RATE, 1e-3, np.float32), detector, device).shape[1:]
        describe_all: Describe = partial(map, partial(describe, detector=detector, device=device, listen=hear_once))
        if device == "cpu" and hardware.threads > 1:  # small windows gain nothing from a second thread
            spawn = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(hardware.threads, mp_context=spawn, initializer=load_in_process)
            describe_all = partial(stack.enter_context(pool).map, describe_in_process, chunksize=4)
        for name in (*LABELLED, "eval", "partial"):
            corpus = read_corpus(PARTIAL if name == "partial" else PREPARED / name)
            columns = ["utterance", "spoof"] if name in LABELLED else ["utterance"]
            utterances = corpus.table[columns].assign(count=moments(corpus))
            described = tqdm(describe_all(waveforms(corpus)), name, total=len(corpus), disable=None)
            write_windows(WINDOWS / name, utterances, shape, described)
            seconds += float(corpus.samples.sum()) / RATE
        figures["audio_seconds"] = round(seconds, 1)
    logger.info("%.0f s of speech described", seconds)


def moments(corpus: Corpus) -> np.ndarray:
    """Number of moments of each utterance, (N,)."""
    return np.array([len(moment_centres(int(samples))) for samples in corpus.samples], np.int64)


def waveforms(corpus: Corpus) -> Iterator[np.ndarray]:
    return (corpus.waveform(row) for row in range(len(corpus)))


def load_in_process() -> None:
    """Load the detector into a process of the pool."""
    use_deterministic_kernels(1)
    PROCESS["detector"] = load_detector()[0]


def describe_in_process(samples: np.ndarray) -> np.ndarray:
    return describe(samples, PROCESS["detector"], listen=hear_once)
