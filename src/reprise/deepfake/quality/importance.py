"""Importance by frame: the explainers', and baselines that an explainer has to beat."""

from collections.abc import Callable

import numpy as np
import torch

from reprise.deepfake.data.splice import fit_length
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.scoring import chunk_logits
from reprise.deepfake.explainer.curve import FRAME, frames_in
from reprise.deepfake.explainer.model import Explainer, importance_of

Importance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # samples (N,), windows (M, W, V + 1) -> frames (F,)


def make_methods(explainers: dict[str, Explainer], detector: Detector, device: str, seed: int) -> dict[str, Importance]:
    """Give every explainer and baseline as a function from samples and their windows to importance by frame.

    The baselines are `random`, `uniform`, `energy` (loudness) and `gradient` (of the logit, times the samples).
    """
    generator = np.random.default_rng(seed)
    return {
        **{mode: by_explainer(explainer) for mode, explainer in explainers.items()},
        "random": lambda samples, windows: generator.random(frames_in(len(samples))),
        "uniform": lambda samples, windows: np.ones(frames_in(len(samples))),
        "energy": lambda samples, windows: frame_means(np.square(samples)),
        "gradient": lambda samples, windows: gradient_importance(samples, detector, device),
    }


def by_explainer(explainer: Explainer) -> Importance:
    return lambda samples, windows: importance_of(explainer, windows, len(samples))


def frame_means(values: np.ndarray) -> np.ndarray:
    """Mean of values (N,) in each frame, (F,)."""
    frames = frames_in(len(values))
    return fit_length(values, frames * FRAME).reshape(frames, FRAME).mean(1)


def gradient_importance(samples: np.ndarray, detector: Detector, device: str) -> np.ndarray:
    """Size of the logit's gradient times the input, by frame (F,)."""
    inputs = torch.from_numpy(samples)[None].to(device).requires_grad_()
    (gradient,) = torch.autograd.grad(chunk_logits(inputs, detector).sum(), inputs)
    return frame_means(np.abs(gradient[0].cpu().numpy() * samples))
