"""A system's error rates on a split, and the files that show them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reprise.core.files import write_text
from reprise.core.text import for_csv
from reprise.deepfake.data.corpus import Corpus
from reprise.deepfake.data.protocols import join_columns
from reprise.deepfake.detector.decision import Decision
from reprise.deepfake.quality.intervals import drawn_together
from reprise.deepfake.quality.metrics import (
    actual_cost,
    equal_error_rate,
    error_curve,
    error_rate_intervals,
    likelihood_ratio_cost,
    minimum_cost,
)

CURVE_POINTS = 500  # at most, of a curve of error rates


def measure(scores: np.ndarray, corpus: Corpus, decision: Decision, known: set[str], seed: int) -> dict[str, Any]:
    """Measure error rates of a split: all attacks, those of train and the others, and each.

    Args:
        scores: (N,), high for natural speech.
        corpus: the N utterances.
        decision: from dev.
        known: attacks of train.
        seed: of the bootstrap.
    """
    spoof, attacks = corpus.spoof, corpus.table["attack"].to_numpy()
    speakers = drawn_together(corpus.table)
    eer_interval, cost_interval = error_rate_intervals(scores, spoof, speakers, seed)
    ratios = decision.log_likelihood_ratios(scores)
    names = sorted(set(attacks[spoof]))
    groups = {
        "eer_known": [name for name in names if name in known],
        "eer_unseen": [name for name in names if name not in known],
    }
    return {
        "eer": equal_error_rate(scores, spoof),
        "eer_ci95": eer_interval,
        **{
            name: equal_error_rate(*_against(scores, spoof, attacks, members)) if members else None
            for name, members in groups.items()
        },
        "min_dcf": minimum_cost(scores, spoof),
        "min_dcf_ci95": cost_interval,
        "act_dcf": actual_cost(ratios, spoof),
        "cllr": likelihood_ratio_cost(ratios, spoof),
        "attacks": {
            name: {
                "eer": equal_error_rate(*(chosen := _against(scores, spoof, attacks, [name]))),
                "eer_ci95": error_rate_intervals(*chosen, _against(speakers, spoof, attacks, [name])[0], seed)[0],
                "utterances": int((attacks == name).sum()),
                "known": name in known,
            }
            for name in names
        },
    }


def _against(
    values: np.ndarray, spoof: np.ndarray, attacks: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Values (scores, or speakers) and labels of natural speech and of some attacks."""
    chosen = ~spoof | np.isin(attacks, names)
    return values[chosen], spoof[chosen]


def write_scores(path: Path, corpus: Corpus, scores: np.ndarray) -> None:
    """Write a score file in ASVspoof's form: `utterance attack key score`, high for natural speech.

    A line has tabs for spaces where a name holds a space.
    """
    columns = (corpus.table[name] for name in ("utterance", "attack", "key"))
    lines = [join_columns([*names, f"{score:.6f}"]) for *names, score in zip(*columns, scores, strict=True)]
    write_text(path, "\n".join(lines) + "\n")


def write_items(path: Path, corpus: Corpus, scores: np.ndarray, fused: np.ndarray) -> None:
    """Write utterance, speaker (what chance draws together), spoof (1 or 0) and scores, high for natural speech.

    Args:
        path: a CSV file.
        corpus: the N utterances.
        scores: (N,), of the detector.
        fused: (N,), of detector and baseline.
    """
    table = pd.DataFrame(
        {
            "utterance": corpus.table["utterance"].map(for_csv),
            "speaker": pd.Series(drawn_together(corpus.table)).map(for_csv),
            "spoof": corpus.spoof.astype(int),
            "score": scores,
            "fused": fused,
        }
    )
    write_text(path, table.to_csv(index=False, float_format="%.6f"))  # as the score files: rounding must make no ties


def write_curve(path: Path, scores: np.ndarray, spoof: np.ndarray) -> None:
    """Write the error rates at every threshold, or at CURVE_POINTS of them, from the lowest on."""
    curve = error_curve(scores, spoof)
    points = np.unique(np.linspace(0, len(curve.miss) - 1, CURVE_POINTS).round().astype(int))
    rates = {"false_alarm": curve.false_alarm, "miss": curve.miss, "detection": 1 - curve.false_alarm}
    table = pd.DataFrame({name: values[points] for name, values in rates.items()})
    write_text(path, table.to_csv(index=False, float_format="%.6g"))


def describe_rates(system: str, rates: Mapping[str, Any]) -> str:
    low, high = rates["eer_ci95"]
    return (
        f"eval, {system}: EER {rates['eer']:.4f} ({low:.4f} to {high:.4f}), minDCF {rates['min_dcf']:.4f}, "
        f"actDCF {rates['act_dcf']:.4f}, Cllr {rates['cllr']:.4f}"
    )
