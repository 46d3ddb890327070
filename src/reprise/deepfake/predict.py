"""Judge recordings, and say which moments gave a synthesis away.

    python -m reprise.deepfake.predict call.wav more/*.flac
    python -m reprise.deepfake.predict call.wav --plot pictures/

Prints one JSON line a file: score (high for natural speech), probability of a spoof (calibrated on dev, at equal
priors), decision at dev's equal-error threshold, importance every 20 ms and the moments where it is highest. Reads
models/deepfake alone (or `--models`). Files of any length, rate and number of channels are taken; they are read in
blocks, so that memory does not grow with the length.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from reprise.core.devices import prediction_devices
from reprise.core.errors import InputError
from reprise.core.models import read_checked_json
from reprise.core.processes import in_turns
from reprise.deepfake.data.audio import RATE, SILENCE, read_blocks
from reprise.deepfake.detector.model import Detector
from reprise.deepfake.detector.model_file import DETECTOR, MODELS, load_detector
from reprise.deepfake.detector.scoring import score_utterance
from reprise.deepfake.explainer.explainer_file import importance_of, load_explainer
from reprise.deepfake.explainer.faithfulness import FRAME, resample_importance
from reprise.deepfake.explainer.model import MODES, Explainer
from reprise.deepfake.explainer.windows import describe
from reprise.deepfake.quality.metrics import Calibration

TOP_MOMENTS = 5
APART = 0.5  # seconds between two of them
LEAST_SECONDS = 0.05


def main() -> int:
    """Judge the files that the command line names; returns the exit code."""
    arguments = parse_arguments()
    try:
        for record in predict(arguments):
            print(json.dumps(record), flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def predict(arguments: argparse.Namespace) -> "Iterator[dict[str, Any]]":
    """Judge recordings one after the other."""
    device = prediction_devices(arguments.accelerator)[0]
    detector, _ = load_detector(arguments.models / DETECTOR.name, device)
    explainer = load_explainer(arguments.explainer, arguments.models)
    decision = read_checked_json(arguments.models / "decision.json")

    def judge_and_draw(path: Path) -> "dict[str, Any]":
        record, samples = judge(path, detector, explainer, decision, device, keep=arguments.plot is not None)
        if arguments.plot is not None:
            draw(arguments.plot / f"{path.stem}.png", path, samples, record)
        return record

    yield from in_turns(arguments.path, judge_and_draw)


def judge(
    path: Path, detector: Detector, explainer: Explainer, decision: "dict[str, float]", device: str, keep: bool
) -> "tuple[dict[str, Any], np.ndarray]":
    """Judge one recording, block by block.

    Returns:
        The record, and the samples where they are to be kept.

    Raises:
        InputError: a file that cannot be read, is silent or next to empty.
    """
    logits: list[float] = []
    lengths: list[int] = []
    importance: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    largest = 0.0
    for block, _, _ in read_blocks(path):
        if len(block) < LEAST_SECONDS * RATE and lengths:
            continue  # the rest of a second beyond the last whole block says nothing by itself
        lengths.append(len(block))
        largest = max(largest, float(np.abs(block).max(initial=0.0)))
        if not len(block):
            continue
        logits.append(-score_utterance(block, lambda samples: detector(samples).logits, device))
        moments = importance_of(explainer, describe(block, detector, device))
        importance.append(resample_importance(moments, max(1, len(block) // FRAME)))
        kept += [block] if keep else []
    seconds = sum(lengths) / RATE
    if seconds < LEAST_SECONDS:
        raise InputError(f"{path}: {seconds:.3f} s; expected at least {LEAST_SECONDS:g} s")
    if largest < SILENCE:
        raise InputError(f"{path}: silent: no sample is above {SILENCE:g} of full scale")
    score = -float(np.average(logits, weights=[length for length in lengths if length]))
    ratio = Calibration(decision["scale"], decision["offset"]).log_likelihood_ratios(np.array(score))
    curve = np.concatenate(importance)
    record = {
        "path": str(path),
        "seconds": round(seconds, 3),
        "score": round(score, 6),
        "spoof_probability": round(float(expit(-ratio)), 6),
        "decision": "bonafide" if score >= decision["threshold"] else "spoof",
        "threshold": round(decision["threshold"], 6),
        "top_moments": top_moments(curve),
        "importance": [round(float(value), 4) for value in curve],
    }
    return record, np.concatenate(kept) if kept else np.zeros(0, np.float32)


def top_moments(curve: np.ndarray) -> "list[dict[str, float]]":
    """The highest moments of importance (F,), at least APART from each other."""
    found: list[int] = []
    for frame in np.argsort(-curve, kind="stable"):
        if all(abs(frame - other) * FRAME / RATE >= APART for other in found):
            found.append(int(frame))
        if len(found) == TOP_MOMENTS:
            break
    return [
        {"seconds": round((frame + 0.5) * FRAME / RATE, 3), "importance": round(float(curve[frame]), 4)}
        for frame in found
    ]


def draw(target: Path, path: Path, samples: np.ndarray, record: "dict[str, Any]") -> None:
    """Draw waveform, spectrogram and importance."""
    from reprise.deepfake.quality.plots import plot_explanations

    title = f"{path.name}: {record['decision']}, spoof probability {record['spoof_probability']:.3f}"
    row = {"samples": samples, "importance": {"importance": np.array(record["importance"])}, "title": title}
    plot_explanations(target, [row])


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Tell synthesised from natural speech, as JSON lines.")
    parser.add_argument("path", type=Path, nargs="+", help="a recording: flac, wav, mp3, ogg")
    parser.add_argument("--models", type=Path, default=MODELS, help=f"folder of detector and explainers ({MODELS})")
    parser.add_argument("--explainer", choices=MODES, default="learnable", help="whose importance (learnable)")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="also draw each file there")
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, gpu or mps (auto)")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
