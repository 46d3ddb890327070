"""Detector, baseline and explainer as ONNX graphs, for prediction without torch: recordings are cut as for torch.

Two kinds of detectors: most take samples (`detector`); one with a frozen Whisper hears a recording once (`listen`), and
judges slices of what it heard (`judge`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from reprise.deepfake.detector.decision import Decisions
from reprise.deepfake.detector.pieces import (
    LENGTHS,
    chunks,
    cut_frame_windows,
    cut_windows,
    frame_chunks,
    moment_centres,
)
from reprise.deepfake.explainer.curve import importance_by_frame
from reprise.deepfake.paths import Mode
from reprise.onnx.session import OnnxDescription, Session, graph_path, read_description

DETECTOR, LISTEN, JUDGE, BASELINE = "detector", "listen", "judge", "baseline"
BATCH = 16  # windows at once


class DeepfakeDescription(OnnxDescription):
    """onnx/prediction.json."""

    task: Literal["deepfake"]
    framed: bool  # whether the graphs are `listen` and `judge`
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)]
    published: Mode  # what prediction takes
    decisions: Decisions


def explainer_graph(mode: str) -> str:
    return f"explainer-{mode}"


class OnnxModels:
    """Detector, baseline and one explainer.

    Args:
        folder: that `reprise export` wrote.
        mode: of the explainer; None: the published one's.
        threads: of the CPU; 0: all cores.

    Raises:
        InputError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, mode: Mode | None, threads: int = 0) -> None:
        self.description = read_description(folder, DeepfakeDescription)

        def open_graph(name: str) -> Session:
            return Session(graph_path(folder, name), threads)

        self.explainer = open_graph(explainer_graph(mode or self.description.published))
        self.listener = open_graph(LISTEN) if self.description.framed else None
        self.detector = open_graph(JUDGE if self.description.framed else DETECTOR)
        self.baseline = open_graph(BASELINE)

    def hear(self, samples: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
        """Score samples (N,) by detector and baseline, high for natural speech, and weigh their frames (F,)."""
        if self.listener is None:
            score = self.mean_score(chunks(samples))
            windows = self.describe(len(samples), lambda seconds: cut_windows(samples, seconds))
        else:
            heard = [self.listener.run({"samples": chunk[None]})["frames"][0] for chunk in chunks(samples)]
            frames = np.concatenate(heard)  # (M, C)
            score = self.mean_score(frame_chunks(frames))
            windows = self.describe(len(samples), lambda seconds: cut_frame_windows(frames, len(samples), seconds))
        moments = self.explainer.run({"windows": windows})["importance"]
        by_baseline = float(self.baseline.run({"samples": samples[None]})["scores"][0])
        return (score, by_baseline), importance_by_frame(moments, len(samples))

    def mean_score(self, pieces: Sequence[np.ndarray]) -> float:
        """Minus the mean logit of pieces, each of its own length."""
        return -float(np.mean([self.judge(piece[None])[0, -1] for piece in pieces]))

    def judge(self, pieces: np.ndarray) -> np.ndarray:
        """Vectors and, last, logits (B, V + 1) of samples (B, N) or frames (B, M, C)."""
        given = "samples" if self.listener is None else "frames"
        found = self.detector.run({given: np.ascontiguousarray(pieces)})
        return np.concatenate([found["vectors"], found["logits"][:, None]], 1)

    def describe(self, samples: int, cut: Callable[[float], np.ndarray]) -> np.ndarray:
        """Describe the moments of so many samples, (M, W, V + 1), as `detector.windows.describe` does.

        Args:
            samples: of the recording.
            cut: seconds -> the windows of that length.
        """
        moments = len(moment_centres(samples))
        columns = []
        for seconds in LENGTHS:
            windows = cut(seconds)[:moments]
            if len(windows) < moments:  # a recording shorter than the window, repeated to its length
                windows = np.repeat(windows[:1], moments, 0)
            parts = [self.judge(windows[start : start + BATCH]) for start in range(0, moments, BATCH)]
            columns.append(np.concatenate(parts))
        return np.stack(columns, 1)
