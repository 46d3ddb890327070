"""Describe short windows of utterances by the frozen detector: the evidence that explanations are made of.

    python src/run.py deepfake.windows

Writes data/deepfake/windows/<train, dev, partial>: windows.npy (moments of all utterances, W, V + 1) float32,
and index.parquet: where each utterance's moments start and how many there are, with the labels of train and dev. Train
has partial spoofs, too, spliced of its spoofs with a twin as those of eval are: `spoofed` says which of their moments
are spoofed. Explainers learn places from them.
"""

import contextlib
import itertools
import logging
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from tqdm import tqdm

from reprise.core.devices import torch_devices
from reprise.core.params import Hardware, load_params, load_seed, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, read_corpus
from reprise.deepfake.data.partial import make_partial_spoofs
from reprise.deepfake.data.windows import write_windows
from reprise.deepfake.detector.frames import hear_once
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import load_detector
from reprise.deepfake.detector.pieces import moment_centres, moments_within
from reprise.deepfake.detector.windows import TOGETHER, describe, describe_together
from reprise.deepfake.paths import PARTIAL, PREPARED, TIMING, WINDOWS

logger = logging.getLogger("reprise")

LABELLED = ("train", "dev")  # the explainers learn from these
AHEAD = 32  # groups of utterances that are described before their turn to be written
PROCESS: dict[str, Detector] = {}  # of a process of the pool

Group = list[np.ndarray]  # samples (N,) of some utterances, or their descriptions
Describe = Callable[[Iterator[Group]], Iterator[Group]]


def main() -> None:
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(1)  # as in the pool's processes: small windows gain nothing from a second thread
    device = torch_devices(hardware)[0]
    seconds = 0.0
    with timed(TIMING / "windows.json") as figures, contextlib.ExitStack() as stack:
        detector, _ = load_detector(device=device)
        shape = describe(np.full(RATE, 1e-3, np.float32), detector, device).shape[1:]
        here = partial(describe_together, detector=detector, device=device, listen=hear_once)
        describe_all: Describe = partial(map, here)
        if device == "cpu" and (others := hardware.threads - 1):
            spawn = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(others, mp_context=spawn, initializer=load_in_process)
            describe_all = partial(map_beside, stack.enter_context(pool), others, describe_in_process, here)
        for name in (*LABELLED, "partial"):
            corpora = [read_corpus(PARTIAL if name == "partial" else PREPARED / name)]
            if name == "train":
                corpora.append(splice_as_eval(corpora[0]))
            utterances = pd.concat([list_utterances(corpus, name in LABELLED) for corpus in corpora])
            if name == "train":
                utterances["spoofed"] = [*known_moments(*corpora)]
            waves = itertools.chain.from_iterable(map(waveforms, corpora))
            described = itertools.chain.from_iterable(describe_all(in_groups(waves)))
            described = tqdm(described, name, total=len(utterances), disable=None)
            write_windows(WINDOWS / name, utterances.reset_index(drop=True), shape, described)
            seconds += sum(float(corpus.samples.sum()) for corpus in corpora) / RATE
        figures["audio_seconds"] = round(seconds, 1)
    logger.info("%.0f s of speech described", seconds)


def splice_as_eval(corpus: Corpus) -> Corpus:
    """Partial spoofs of the training split, made as `deepfake-prepare` makes those of the eval split."""
    count, seconds = load_value("deepfake.prepare.partial_count"), load_value("deepfake.prepare.partial_seconds")
    spliced = make_partial_spoofs(corpus, count, seconds, derive_seed(load_seed(), "deepfake-windows"))
    if len(spliced):
        logger.info("%d training spoofs are spliced into their twins, to learn places from", len(spliced))
    else:
        logger.warning("no training spoof is spliced into a twin: explainers learn of whole utterances alone")
    return spliced


def list_utterances(corpus: Corpus, labelled: bool) -> pd.DataFrame:
    """Name, number of moments and, where labelled, class of each utterance."""
    counts = np.array([len(moment_centres(int(samples))) for samples in corpus.samples], np.int64)
    return corpus.table[["utterance", "spoof"] if labelled else ["utterance"]].assign(count=counts)


def known_moments(train: Corpus, spliced: Corpus) -> Iterator[list[bool]]:
    """Which moments of each utterance are spoofed; an empty list where that is unknown.

    Of a spoof it is unknown: some corpora's are spoofed in part. No moment of natural speech is spoofed; that is said
    of the utterances that a spoof was spliced into alone, so that there are about as many moments of either kind.
    """
    spliced_into = set(spliced.twin.tolist())
    for row, samples in enumerate(train.samples.tolist()):
        yield [False] * len(moment_centres(samples)) if row in spliced_into else []
    for spans, samples in zip(spliced.table["spans"], spliced.samples.tolist(), strict=True):
        within = moments_within(spans, samples)
        yield within.tolist() if within.any() else []  # a stretch between the centres of two moments


def waveforms(corpus: Corpus) -> Iterator[np.ndarray]:
    return (corpus.waveform(row) for row in range(len(corpus)))


def in_groups(waves: Iterator[np.ndarray]) -> Iterator[Group]:
    """TOGETHER utterances at a time."""
    while group := list(itertools.islice(waves, TOGETHER)):
        yield group


def map_beside(
    pool: Executor,
    processes: int,
    there: Callable[[Group], Group],
    here: Callable[[Group], Group],
    items: Iterator[Group],
) -> Iterator[Group]:
    """Results in order, of a pool and of this process, which takes an item whenever all of the pool's are busy.

    Args:
        pool: does `there`.
        processes: of the pool; each has one item in hand and one that waits for it. More items are not in memory, and
            AHEAD results.
        there: a function of an item.
        here: the same one for this process.
        items: read as they are needed.
    """
    waiting: deque[Future[Group]] = deque()
    for item in items:
        if sum(not future.done() for future in waiting) < 2 * processes:
            waiting.append(pool.submit(there, item))
        else:
            done: Future[Group] = Future()
            done.set_result(here(item))
            waiting.append(done)
        while waiting and (waiting[0].done() or len(waiting) > AHEAD + 2 * processes):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def load_in_process() -> None:
    """Load the detector into a process of the pool."""
    use_deterministic_kernels(1)
    PROCESS["detector"] = load_detector()[0]


def describe_in_process(recordings: Group) -> Group:
    return describe_together(recordings, PROCESS["detector"], listen=hear_once)
