"""Score dev and eval by the detector, the baseline and both together, and measure error rates.

    python src/run.py deepfake.evaluate

The baseline is trained here, on train and on copies of it through random channels; where the detector learned from
re-syntheses of natural speech, so does it.
`fused` is the mean of both log likelihood ratios, and `published` names the system whose verdict prediction gives
(`deepfake.evaluate.published`). `robust` measures all of them on part of the eval split through each channel alone
(codecs, noise, room, band, noise gate), and through a room, noise, a band and a codec one after the other (`all`).

Reads data/deepfake/prepared and models/deepfake/detector.safetensors; writes metrics/deepfake/evaluation.json,
items.csv (the scores of each utterance of eval), det.png, curves, score files in data/deepfake/scores,
models/deepfake/baseline.safetensors, and models/deepfake/decision.json: calibrations and thresholds, all from dev.
"""

import logging
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from reprise.core.devices import torch_devices
from reprise.core.files import write_json
from reprise.core.params import Hardware, Params, load_params, load_seed
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.data.corpus import Corpus, read_corpus
from reprise.deepfake.detector.baseline import Baseline, save_baseline
from reprise.deepfake.detector.decision import Decisions, Published, fuse, write_decisions
from reprise.deepfake.detector.frames import hear_once
from reprise.deepfake.detector.model_file import load_detector
from reprise.deepfake.detector.scoring import score_corpus, score_utterance
from reprise.deepfake.paths import METRICS, PREPARED, SCORES, TIMING
from reprise.deepfake.quality.baseline import (
    CHANNEL_COPIES,
    RESYNTHESES,
    corpus_statistics,
    make_training_set,
    train_baseline,
)
from reprise.deepfake.quality.metrics import equal_error_rate, fit_decision
from reprise.deepfake.quality.plots import plot_det
from reprise.deepfake.quality.report import describe_rates, measure, write_curve, write_items, write_scores
from reprise.deepfake.quality.robustness import choose_evenly, robustness

logger = logging.getLogger("reprise")

SYSTEMS = ("detector", "baseline", "fused")
HELD_OUT = ("dev", "eval")


class EvaluateParams(Params):
    """`deepfake.evaluate`."""

    published: Published
    robust_utterances: Annotated[int, Field(ge=0)]


Corpora = dict[str, Corpus]  # by split
Scores = dict[str, dict[str, np.ndarray]]  # by split and system


def main() -> None:
    hardware, seed = load_params("hardware", Hardware), derive_seed(load_seed(), "deepfake-evaluate")
    params = load_params("deepfake.evaluate", EvaluateParams)
    use_deterministic_kernels(hardware.training_threads)
    device = torch_devices(hardware)[0]
    with timed(TIMING / "evaluate.json") as figures:
        corpora = {split: read_corpus(PREPARED / split) for split in ("train", *HELD_OUT)}
        detector, recipe = load_detector(device=device)
        scores: Scores = {
            split: {"detector": score_corpus(corpora[split], detector, device, hear_once)} for split in HELD_OUT
        }
        figures["audio_seconds"] = round(sum(float(corpora[split].samples.sum()) for split in HELD_OUT) / RATE, 1)
        baseline = add_baseline(corpora, scores, RESYNTHESES * recipe.resyntheses, seed)
        decisions = add_fusion(corpora["dev"].spoof, scores, params.published)

        def score(samples: np.ndarray) -> dict[str, float]:
            return {"detector": score_utterance(samples, detector, device), "baseline": baseline.score(samples)}

        rows = choose_evenly(corpora["eval"].spoof, params.robust_utterances, seed)
        report = measure_systems(corpora, scores, decisions, seed)
        report["robust"] = robustness(corpora["eval"], rows, score, decisions.fuse, seed)
        write_decisions(decisions)
        write_json(METRICS / "evaluation.json", report)
        write_scores_and_curves(corpora, scores)
    log_rates(report)


def measure_systems(corpora: Corpora, scores: Scores, decisions: Decisions, seed: int) -> dict[str, Any]:
    """Measure all systems: the detector's rates as `dev` and `eval`, the others' under their names, `published`."""
    known, spoof = set(corpora["train"].table["attack"]), corpora["dev"].spoof
    decision = {"detector": decisions.detector, "baseline": decisions.baseline, "fused": decisions.fused}
    found = {
        system: {
            "dev": {"eer": equal_error_rate(scores["dev"][system], spoof)},
            "eval": measure(scores["eval"][system], corpora["eval"], decision[system], known, seed),
        }
        for system in SYSTEMS
    }
    verdict = {key: value for key, value in found[decisions.published]["eval"].items() if key != "attacks"}
    others = {system: found[system] for system in SYSTEMS[1:]}
    return {**found["detector"], **others, "published": {"system": decisions.published, **verdict}}


def write_scores_and_curves(corpora: Corpora, scores: Scores) -> None:
    """Write score files, items, curves and the DET picture."""
    held_out = scores["eval"]
    write_items(METRICS / "items.csv", corpora["eval"], held_out["detector"], held_out["fused"])
    for system in SYSTEMS:
        for split in HELD_OUT:
            write_scores(SCORES / f"{system}-{split}.txt", corpora[split], scores[split][system])
        write_curve(METRICS / f"curves/{system}.csv", held_out[system], corpora["eval"].spoof)
    plot_det(METRICS / "det.png", held_out, corpora["eval"].spoof)


def log_rates(report: dict[str, Any]) -> None:
    """Log the rates, and warn where the baseline is better than the detector."""
    rates = {"detector": report["eval"], **{system: report[system]["eval"] for system in SYSTEMS[1:]}}
    logger.info("dev: EER %.4f (baseline %.4f)", report["dev"]["eer"], report["baseline"]["dev"]["eer"])
    for system, each in rates.items():
        logger.info("%s", describe_rates(system, each))
    if rates["detector"]["eer"] > rates["baseline"]["eer"]:
        logger.warning("the baseline is better than the detector")
    if "all" in report["robust"]:
        through_all = report["robust"]["all"].values()
        logger.info("eval through all channels: EER %.4f (baseline %.4f, fused %.4f)", *through_all)


def add_baseline(corpora: Corpora, scores: Scores, resyntheses: int, seed: int) -> Baseline:
    """Train the baseline on train, choose its penalty on dev, save it, and add its scores."""
    statistics = {split: corpus_statistics(corpus) for split, corpus in corpora.items()}
    learned = make_training_set(corpora["train"], statistics["train"], resyntheses, derive_seed(seed, "baseline"))
    baseline, penalty = train_baseline(learned, statistics["dev"], corpora["dev"].spoof)
    save_baseline(baseline, penalty, resyntheses, CHANNEL_COPIES)
    for split in HELD_OUT:
        scores[split]["baseline"] = baseline.scores(statistics[split])
    return baseline


def add_fusion(spoof: np.ndarray, scores: Scores, published: Published) -> Decisions:
    """Calibrate each system on dev, and add the mean of their log likelihood ratios, itself calibrated.

    Args:
        spoof: (N,) bool, of dev.
        scores: gains the system `fused`.
        published: whose verdict prediction gives.
    """
    detector, baseline = (fit_decision(scores["dev"][system], spoof) for system in SYSTEMS[:2])
    for split in HELD_OUT:
        scores[split]["fused"] = fuse(detector, scores[split]["detector"], baseline, scores[split]["baseline"])
    fused = fit_decision(scores["dev"]["fused"], spoof)
    return Decisions(published=published, detector=detector, baseline=baseline, fused=fused)
