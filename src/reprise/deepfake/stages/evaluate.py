"""Score dev and eval by the detector and the baseline, and measure error rates.

    python src/run.py deepfake.evaluate

Reads data/deepfake/prepared and models/deepfake/detector.safetensors; writes metrics/deepfake/evaluation.json,
det.png, score files in ASVspoof's form (`utterance attack key score`, high for natural speech) in
data/deepfake/scores, and models/deepfake/decision.json: calibration and threshold, both from dev.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from reprise.core.devices import torch_devices
from reprise.core.files import write_json, write_text
from reprise.core.models import write_checked_json
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.dataset import Corpus, read_corpus
from reprise.deepfake.detector.model_file import MODELS, load_detector
from reprise.deepfake.detector.scoring import score_corpus
from reprise.deepfake.quality.baseline import corpus_statistics, train_baseline
from reprise.deepfake.quality.metrics import (
    Calibration,
    actual_cost,
    bootstrap_interval,
    equal_error_rate,
    equal_error_threshold,
    error_curve,
    fit_calibration,
    likelihood_ratio_cost,
    minimum_cost,
)
from reprise.deepfake.quality.plots import plot_det

logger = logging.getLogger("reprise")

PREPARED = Path("data/deepfake/prepared")
SCORES = Path("data/deepfake/scores")
METRICS = Path("metrics/deepfake")
SYSTEMS = ("detector", "baseline", "fused")
HELD_OUT = ("dev", "eval")
CURVE_POINTS = 500  # at most, of a curve of error rates


def main() -> None:
    """Run the stage."""
    hardware, seed = load_params("hardware", Hardware), derive_seed(load_value("seed"), "deepfake-evaluate")
    use_deterministic_kernels(hardware.training_threads)
    device = torch_devices(hardware)[0]
    with timed(METRICS / "timing/evaluate.json") as figures:
        corpora = {split: read_corpus(PREPARED / split) for split in ("train", *HELD_OUT)}
        detector, _ = load_detector(device=device)
        scores = {split: {"detector": score_corpus(corpora[split], detector, device)} for split in HELD_OUT}
        figures["audio_seconds"] = round(sum(float(corpora[split].samples.sum()) for split in HELD_OUT) / RATE, 1)
        add_baseline(corpora, scores)
        calibrations = add_fusion(corpora["dev"].spoof, scores)
        known = set(corpora["train"].table["attack"])
        report: dict[str, Any] = {"dev": {"eer": equal_error_rate(scores["dev"]["detector"], corpora["dev"].spoof)}}
        report["eval"] = measure(scores["eval"]["detector"], corpora["eval"], calibrations["detector"], known, seed)
        for system in SYSTEMS[1:]:
            report[system] = {
                "dev": {"eer": equal_error_rate(scores["dev"][system], corpora["dev"].spoof)},
                "eval": measure(scores["eval"][system], corpora["eval"], calibrations[system], known, seed),
            }
        for split in HELD_OUT:
            for system in SYSTEMS:
                write_scores(SCORES / f"{system}-{split}.txt", corpora[split], scores[split][system])
        threshold = equal_error_threshold(scores["dev"]["detector"], corpora["dev"].spoof)
        decision = {"threshold": threshold, **vars(calibrations["detector"])}
        write_checked_json(MODELS / "decision.json", decision)
        write_json(METRICS / "evaluation.json", report)
        for system in SYSTEMS:
            write_curve(METRICS / f"curves/{system}.csv", scores["eval"][system], corpora["eval"].spoof)
        plot_det(METRICS / "det.png", {system: scores["eval"][system] for system in SYSTEMS}, corpora["eval"].spoof)
    log_report(report)


def add_baseline(corpora: "dict[str, Corpus]", scores: "dict[str, dict[str, np.ndarray]]") -> None:
    """Train the baseline on train, choose its penalty on dev, and add its scores."""
    torch.set_grad_enabled(False)
    statistics = {split: corpus_statistics(corpus) for split, corpus in corpora.items()}
    torch.set_grad_enabled(True)
    baseline = train_baseline(statistics["train"], corpora["train"].spoof, statistics["dev"], corpora["dev"].spoof)
    for split in HELD_OUT:
        scores[split]["baseline"] = baseline.scores(statistics[split])


def add_fusion(spoof: np.ndarray, scores: "dict[str, dict[str, np.ndarray]]") -> "dict[str, Calibration]":
    """Calibrate each system on dev, and add the mean of the calibrated two, itself calibrated.

    Args:
        spoof: (N,) bool, of dev.
        scores: by split and system; gains `fused`.

    Returns:
        The calibrations by system.
    """
    calibrations = {system: fit_calibration(scores["dev"][system], spoof) for system in SYSTEMS[:2]}
    for split in HELD_OUT:
        ratios = [calibrations[system].log_likelihood_ratios(scores[split][system]) for system in SYSTEMS[:2]]
        scores[split]["fused"] = np.mean(ratios, axis=0)
    calibrations["fused"] = fit_calibration(scores["dev"]["fused"], spoof)
    return calibrations


def measure(
    scores: np.ndarray, corpus: Corpus, calibration: Calibration, known: "set[str]", seed: int
) -> dict[str, Any]:
    """Error rates of a split: all attacks, those of train and the others, and each.

    Args:
        scores: (N,), high for natural speech.
        corpus: the N utterances.
        calibration: from dev.
        known: attacks of train.
        seed: of the bootstrap.
    """
    spoof, attacks = corpus.spoof, corpus.table["attack"].to_numpy()
    ratios = calibration.log_likelihood_ratios(scores)
    names = sorted(set(attacks[spoof]))
    groups = {
        "eer_known": [name for name in names if name in known],
        "eer_unseen": [name for name in names if name not in known],
    }
    return {
        "eer": equal_error_rate(scores, spoof),
        "eer_ci95": list(bootstrap_interval(scores, spoof, seed)),
        **{
            name: equal_error_rate(*against(scores, spoof, attacks, members)) if members else None
            for name, members in groups.items()
        },
        "min_dcf": minimum_cost(scores, spoof),
        "act_dcf": actual_cost(ratios, spoof),
        "cllr": likelihood_ratio_cost(ratios, spoof),
        "attacks": {name: measure_attack(scores, spoof, attacks, name, known, seed) for name in names},
    }


def measure_attack(
    scores: np.ndarray, spoof: np.ndarray, attacks: np.ndarray, name: str, known: "set[str]", seed: int
) -> dict[str, Any]:
    """One attack against all natural speech."""
    chosen = against(scores, spoof, attacks, [name])
    return {
        "eer": equal_error_rate(*chosen),
        "eer_ci95": list(bootstrap_interval(*chosen, seed)),
        "utterances": int((attacks == name).sum()),
        "known": name in known,
    }


def against(
    scores: np.ndarray, spoof: np.ndarray, attacks: np.ndarray, names: "list[str]"
) -> "tuple[np.ndarray, np.ndarray]":
    """Scores and labels of natural speech and of some attacks."""
    chosen = ~spoof | np.isin(attacks, names)
    return scores[chosen], spoof[chosen]


def write_scores(path: Path, corpus: Corpus, scores: np.ndarray) -> None:
    """Write a score file."""
    columns = (corpus.table[name] for name in ("utterance", "attack", "key"))
    lines = [f"{name} {attack} {key} {score:.6f}" for name, attack, key, score in zip(*columns, scores, strict=True)]
    write_text(path, "\n".join(lines) + "\n")


def write_curve(path: Path, scores: np.ndarray, spoof: np.ndarray) -> None:
    """Write the error rates at every threshold, or at CURVE_POINTS of them, from the lowest on."""
    curve = error_curve(scores, spoof)
    points = np.unique(np.linspace(0, len(curve.miss) - 1, CURVE_POINTS).round().astype(int))
    rates = {"false_alarm": curve.false_alarm, "miss": curve.miss, "detection": 1 - curve.false_alarm}
    table = pd.DataFrame({name: values[points] for name, values in rates.items()})
    write_text(path, table.to_csv(index=False, float_format="%.6g"))


def log_report(report: "dict[str, Any]") -> None:
    """Say what was found."""
    logger.info("dev: EER %.4f (baseline %.4f)", report["dev"]["eer"], report["baseline"]["dev"]["eer"])
    for name, rates in (("detector", report["eval"]), *((name, report[name]["eval"]) for name in SYSTEMS[1:])):
        logger.info(
            "eval, %s: EER %.4f (%.4f to %.4f), minDCF %.4f, actDCF %.4f, Cllr %.4f",
            *(name, rates["eer"], *rates["eer_ci95"], rates["min_dcf"], rates["act_dcf"], rates["cllr"]),
        )
    if report["eval"]["eer"] > report["baseline"]["eval"]["eer"]:
        logger.warning("the baseline is better than the detector")
