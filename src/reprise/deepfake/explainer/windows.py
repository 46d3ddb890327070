"""What the frozen detector says of short windows: the evidence that explanations are made of.

Frames of a Conformer mix the whole utterance, so that they cannot say where something happened. Windows can: each
moment is described by the detector's vector and logit on windows of several lengths around it. Nothing outside the
largest window can move a moment's description.

    python -m reprise.deepfake.explainer.windows

Writes data/deepfake/windows/<train, dev, eval, partial>: windows.npy (moments of all utterances, W, V + 1) float32,
and index.parquet, where each utterance's moments start and how many there are.
"""

import contextlib
import dataclasses
import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from reprise.core.devices import torch_devices
from reprise.core.files import new_npy, read_npy, read_parquet, write_parquet
from reprise.core.params import Hardware, load_params
from reprise.core.seed import use_deterministic_kernels
from reprise.core.stage import run_stage, timed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.dataset import Corpus, read_corpus
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import load_detector

logger = logging.getLogger("reprise")

PREPARED = Path("data/deepfake/prepared")
PARTIAL = Path("data/deepfake/partial")
WINDOWS = Path("data/deepfake/windows")
METRICS = Path("metrics/deepfake")

LENGTHS = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # seconds
HOP_SECONDS = 0.1  # between moments
BATCH = 64  # windows at once


@dataclasses.dataclass(frozen=True)
class Windows:
    """Descriptions of the moments of several utterances.

    Attributes:
        values: (moments of all, W, V + 1): for each window length the vector and, last, the logit.
        starts: (N,) first moment of each utterance.
        counts: (N,) its number of moments.
    """

    values: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def utterance(self, row: int) -> np.ndarray:
        """(M, W, V + 1) of one utterance."""
        return np.array(self.values[self.starts[row] : self.starts[row] + self.counts[row]])


def moment_centres(samples: int) -> np.ndarray:
    """Centres of the moments in samples, (M,): every HOP_SECONDS from half of it on."""
    hop = int(HOP_SECONDS * RATE)
    return np.arange(hop // 2, max(samples, hop // 2 + 1), hop)


def cut_windows(samples: np.ndarray, seconds: float) -> np.ndarray:
    """Windows (M, L) around every moment of samples (N,); at the ends they are moved inside, not padded."""
    length = int(seconds * RATE)
    if len(samples) < length:
        samples = np.tile(samples, -(-length // len(samples)))[:length]
        return np.repeat(samples[None], len(moment_centres(length)), 0)
    starts = np.clip(moment_centres(len(samples)) - length // 2, 0, len(samples) - length)
    return np.stack([samples[start : start + length] for start in starts])


@torch.inference_mode()
def describe(samples: np.ndarray, detector: Detector, device: str = "cpu") -> np.ndarray:
    """Describe the moments of samples (N,): (M, W, V + 1) float32."""
    moments = len(moment_centres(len(samples)))
    columns = []
    for seconds in LENGTHS:
        windows = torch.from_numpy(cut_windows(samples, seconds)[:moments])
        if len(windows) < moments:  # a recording shorter than the window, repeated to its length
            windows = windows[:1].expand(moments, -1)
        outputs = [describe_batch(part.to(device), detector) for part in windows.split(BATCH)]
        columns.append(torch.cat(outputs).cpu())
    return torch.stack(columns, 1).numpy()


def describe_batch(windows: Tensor, detector: Detector) -> Tensor:
    """(B, L) -> (B, V + 1)."""
    output = detector(windows)
    return torch.cat([output.vectors, output.logits[:, None]], 1).float()


def describe_corpus(corpus: Corpus, folder: Path, pool: "Executor | None", detector: Detector, device: str) -> None:
    """Describe and write all utterances of a corpus.

    Args:
        corpus: the utterances.
        folder: to write to.
        pool: processes with the detector at hand (`load_in_process`); None: it is done here.
        detector: for the work here.
        device: where it is.
    """
    counts = np.array([len(moment_centres(int(samples))) for samples in corpus.samples], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    width = describe(np.full(RATE, 1e-3, np.float32), detector, device).shape[-1]
    waveforms = (corpus.waveform(row) for row in range(len(corpus)))
    if pool is None:
        described: Iterator[np.ndarray] = (describe(waveform, detector, device) for waveform in waveforms)
    else:
        described = pool.map(describe_in_process, waveforms, chunksize=4)
    with new_npy(folder / "windows.npy", (int(counts.sum()), len(LENGTHS), width), "float32") as array:
        for start, count, values in zip(starts, counts, described, strict=True):
            array[start : start + count] = values
    table = pd.DataFrame({"utterance": corpus.table["utterance"], "start": starts, "count": counts})
    write_parquet(folder / "index.parquet", table)


PROCESS: dict[str, Detector] = {}  # of a process of the pool


def load_in_process() -> None:
    """Load the detector into a process of the pool."""
    use_deterministic_kernels(1)
    PROCESS["detector"] = load_detector()[0]


def describe_in_process(samples: np.ndarray) -> np.ndarray:
    """`describe` in a process of the pool."""
    return describe(samples, PROCESS["detector"])


def read_windows(folder: Path) -> Windows:
    """Read what `describe_corpus` wrote.

    Raises:
        InputError: missing or damaged.
    """
    index = read_parquet(folder / "index.parquet")
    return Windows(read_npy(folder / "windows.npy"), index["start"].to_numpy(), index["count"].to_numpy())


def main() -> None:
    """Run the stage."""
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(hardware.training_threads)
    device = torch_devices(hardware)[0]
    with timed(METRICS / "timing/windows.json") as figures, contextlib.ExitStack() as stack:
        detector, _ = load_detector(device=device)
        pool = None
        if device == "cpu" and hardware.threads > 1:  # small pieces gain nothing from a second thread
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(
                ProcessPoolExecutor(hardware.threads, mp_context=context, initializer=load_in_process)
            )
        seconds = 0.0
        for name in ("train", "dev", "eval", "partial"):
            corpus = read_corpus(PARTIAL if name == "partial" else PREPARED / name)
            describe_corpus(corpus, WINDOWS / name, pool, detector, device)
            seconds += float(corpus.samples.sum()) / RATE
        figures["audio_seconds"] = round(seconds, 1)
    logger.info("%.0f s of speech described", seconds)


if __name__ == "__main__":
    run_stage(main)
