"""Judge explanations: do they find the spoofed stretch, and does the detector's verdict rest on what they point at?

    python src/run.py deepfake.explain

Explainers `ema`, `fixed`, `learnable` against the baselines `random`, `uniform`, `energy` (loudness of each frame) and
`gradient` (of the logit with respect to the samples). Localisation is measured on partial spoofs of the eval split,
faithfulness on its whole spoofs. Writes metrics/deepfake/explanation.json, explanation_data.json (on how many
utterances, and what frames were replaced with), explanation.png and explanations.png.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from scipy.special import expit

from reprise.core.devices import torch_devices
from reprise.core.files import write_json
from reprise.core.models import read_checked_json
from reprise.core.params import Hardware, Params, load_params, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.crops import fit_length
from reprise.deepfake.data.dataset import Corpus, read_corpus
from reprise.deepfake.data.protocols import UNKNOWN
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import MODELS, load_detector
from reprise.deepfake.explainer.explainer_file import importance_of, load_explainer
from reprise.deepfake.explainer.faithfulness import (
    FRAME,
    faithfulness,
    frame_labels,
    localisation,
    pointing_hit,
    resample_importance,
)
from reprise.deepfake.explainer.model import MODES
from reprise.deepfake.explainer.windows import Windows, read_windows
from reprise.deepfake.quality.metrics import Calibration, equal_error_rate
from reprise.deepfake.quality.plots import plot_explanations, plot_localisation

logger = logging.getLogger("reprise")

PREPARED = Path("data/deepfake/prepared")
PARTIAL = Path("data/deepfake/partial")
WINDOWS = Path("data/deepfake/windows")
METRICS = Path("metrics/deepfake")
FAITHFULNESS = ("deletion_auc", "insertion_auc", "comprehensiveness", "sufficiency")

Importance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # samples (N,), windows (M, W, V + 1) -> frames (F,)


class ExplainParams(Params):
    """`deepfake.explain`: how much is measured and shown."""

    faithfulness_utterances: Annotated[int, Field(ge=1)]
    shown: Annotated[int, Field(ge=0)]


def main() -> None:
    """Run the stage."""
    params, hardware = load_params("deepfake.explain", ExplainParams), load_params("hardware", Hardware)
    seed = derive_seed(load_value("seed"), "deepfake-explain")
    use_deterministic_kernels(hardware.training_threads)
    device = torch_devices(hardware)[0]
    with timed(METRICS / "timing/explain.json"):
        detector, _ = load_detector(device=device)
        decision = read_checked_json(MODELS / "decision.json")
        calibration = Calibration(decision["scale"], decision["offset"])
        methods = make_methods(detector, device, seed)
        corpus, partial = read_corpus(PREPARED / "eval"), read_corpus(PARTIAL)
        windows, partial_windows = read_windows(WINDOWS / "eval"), read_windows(WINDOWS / "partial")
        report = {name: localise(method, partial, partial_windows) for name, method in methods.items()}
        chosen = choose_spoofs(corpus, params.faithfulness_utterances, seed)
        natural, kinds = replacements(corpus, chosen, seed)

        def spoof_probabilities(recordings: "list[np.ndarray]") -> np.ndarray:
            with torch.inference_mode():
                logits = detector(torch.from_numpy(np.stack(recordings)).to(device)).logits
            return expit(-calibration.log_likelihood_ratios(-logits.cpu().numpy().astype(np.float64)))

        for name, method in methods.items():
            found = []
            for row, other in zip(chosen.tolist(), natural, strict=True):
                samples = corpus.waveform(row)
                importance = method(samples, windows.utterance(row))
                found.append(faithfulness(samples, other, importance, spoof_probabilities))
            for key in FAITHFULNESS:
                report[name][key] = float(np.mean([each[key] for each in found]))
        write_json(METRICS / "explanation.json", report)
        counts = {"partial_spoofs": len(partial), "faithfulness_utterances": len(chosen), "replacements": dict(kinds)}
        write_json(METRICS / "explanation_data.json", counts)
        plot_localisation(METRICS / "explanation.png", report)
        show(methods, corpus, windows, partial, partial_windows, params.shown)
    log_report(report)


def make_methods(detector: Detector, device: str, seed: int) -> "dict[str, Importance]":
    """Every explainer and baseline, as a function to importance by frame."""
    methods: dict[str, Importance] = {}
    for mode in MODES:
        explainer = load_explainer(mode)

        def by_explainer(samples: np.ndarray, windows: np.ndarray, explainer: Any = explainer) -> np.ndarray:
            return resample_importance(importance_of(explainer, windows), frames_in(samples))

        methods[mode] = by_explainer
    generator = np.random.default_rng(seed)
    methods["random"] = lambda samples, windows: generator.random(frames_in(samples))
    methods["uniform"] = lambda samples, windows: np.ones(frames_in(samples))
    methods["energy"] = lambda samples, windows: frame_means(np.square(samples))
    methods["gradient"] = lambda samples, windows: gradient_importance(samples, detector, device)
    return methods


def frames_in(samples: np.ndarray) -> int:
    """Frames of 20 ms in samples (N,)."""
    return max(1, len(samples) // FRAME)


def frame_means(values: np.ndarray) -> np.ndarray:
    """Mean of values (N,) in each frame, (F,)."""
    frames = frames_in(values)
    return fit_length(values, frames * FRAME).reshape(frames, FRAME).mean(1)


def gradient_importance(samples: np.ndarray, detector: Detector, device: str) -> np.ndarray:
    """Size of the logit's gradient times the input, by frame (F,)."""
    inputs = torch.from_numpy(samples)[None].to(device).requires_grad_()
    (gradient,) = torch.autograd.grad(detector(inputs).logits.sum(), inputs)
    return frame_means(np.abs(gradient[0].cpu().numpy() * samples))


def localise(method: Importance, partial: Corpus, windows: Windows) -> "dict[str, Any]":
    """How well importance finds the spoofed stretch: mean over files; the segment EER is over all frames together."""
    if not len(partial):
        return {"localisation_auc": None, "pointing_game": None, "segment_eer": None}
    areas, hits, scores, labels = [], [], [], []
    for row in range(len(partial)):
        samples, source = partial.waveform(row), partial.table.iloc[row]
        importance = method(samples, windows.utterance(row))
        spoofed = frame_labels(len(samples), int(source["span_start"]), int(source["span_end"]))
        areas.append(localisation(importance, spoofed))
        hits.append(pointing_hit(importance, spoofed))
        scores.append(importance)
        labels.append(spoofed)
    return {
        "localisation_auc": float(np.mean(areas)),
        "pointing_game": float(np.mean(hits)),
        "segment_eer": equal_error_rate(-np.concatenate(scores), np.concatenate(labels)),
    }


def choose_spoofs(corpus: Corpus, count: int, seed: int) -> np.ndarray:
    """Spoofs (n,) of a split to measure faithfulness on: those with a twin first, drawn evenly."""
    generator = np.random.default_rng(derive_seed(seed, "spoofs"))
    rows = generator.permutation(np.flatnonzero(corpus.spoof))
    return np.sort(rows[np.argsort(corpus.twin[rows] < 0, kind="stable")][:count])


def replacements(corpus: Corpus, rows: np.ndarray, seed: int) -> "tuple[list[np.ndarray], Counter[str]]":
    """What frames of spoofs are replaced with, and of which kind it is.

    The natural twin; without one, natural speech of the same speaker, else of any, at the same loudness.
    """
    generator = np.random.default_rng(derive_seed(seed, "replacements"))
    speakers, natural = corpus.table["speaker"].to_numpy(), np.flatnonzero(~corpus.spoof)
    found, kinds = [], Counter[str]()
    for row in rows.tolist():
        samples = corpus.waveform(row)
        own = natural[(speakers[natural] == speakers[row]) & (speakers[natural] != UNKNOWN)]
        if corpus.twin[row] >= 0:
            other, kind = corpus.waveform(int(corpus.twin[row])), "twin"
        else:
            pool, kind = (own, "same_speaker") if len(own) else (natural, "other_speaker")
            other = corpus.waveform(int(generator.choice(pool)))
            other = other * (np.sqrt(np.mean(samples**2)) / max(float(np.sqrt(np.mean(other**2))), 1e-6))
        found.append(fit_length(other, len(samples)).astype(np.float32))
        kinds[kind] += 1
    return found, kinds


def show(
    methods: "dict[str, Importance]",
    corpus: Corpus,
    windows: Windows,
    partial: Corpus,
    partial_windows: Windows,
    count: int,
) -> None:
    """Draw a few utterances of each kind: partial spoofs, whole ones and natural speech."""
    rows: list[dict[str, Any]] = []
    sources = [
        (partial, partial_windows, np.arange(len(partial)), "partial spoof"),
        (corpus, windows, np.flatnonzero(corpus.spoof), "spoof"),
        (corpus, windows, np.flatnonzero(~corpus.spoof), "natural speech"),
    ]
    for source, described, members, kind in sources:
        by_attack: dict[str, list[int]] = defaultdict(list)
        for member in members.tolist():
            by_attack[str(source.table["attack"].to_numpy()[member])].append(member)
        queues = [list(queue) for queue in by_attack.values()]
        picked = [queue[turn] for turn in range(count) for queue in queues if turn < len(queue)][:count]
        for row in picked:
            samples, entry = source.waveform(row), source.table.iloc[row]
            span = (entry["span_start"] / RATE, entry["span_end"] / RATE) if kind == "partial spoof" else None
            rows.append(
                {
                    "samples": samples,
                    "importance": {mode: methods[mode](samples, described.utterance(row)) for mode in MODES},
                    "title": f"{kind}: {entry['utterance']} ({entry['attack']})",
                    "span": span,
                }
            )
    plot_explanations(METRICS / "explanations.png", rows)


def log_report(report: "dict[str, dict[str, Any]]") -> None:
    """Say what was found."""
    for name, row in report.items():
        if row["localisation_auc"] is None:
            continue
        logger.info(
            "%-10s localisation %.3f, pointing game %.3f, deletion %.3f, insertion %.3f",
            *(name, row["localisation_auc"], row["pointing_game"], row["deletion_auc"], row["insertion_auc"]),
        )
