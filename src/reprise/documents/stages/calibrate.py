"""Find the temperature that makes the folds' probabilities honest.

    python src/run.py documents.calibrate

Reads data/documents/out_of_fold; writes models/documents/ensemble.json (folds, temperature, views: what prediction
takes), metrics/documents/calibration.json and reliability.png. What is reported as "after" is cross-fitted: each fold's
pages under the temperature of the other folds.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from reprise.core.errors import InputError
from reprise.core.files import write_json, write_text
from reprise.core.models import write_checked_json
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.seed import limit_threads
from reprise.documents.network.views import VIEWS
from reprise.documents.quality.calibration import (
    calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)
from reprise.documents.quality.out_of_fold import OutOfFold, read_out_of_fold
from reprise.documents.quality.plots import plot_reliability

logger = logging.getLogger("reprise")

ENSEMBLE = Path("models/documents/ensemble.json")
METRICS = Path("metrics/documents")


def main() -> None:
    """Run the stage."""
    folds, views = load_value("documents.folds"), load_value("documents.views")
    if views not in VIEWS:
        raise InputError(f"params.yaml: documents.views: {views!r}; choose from {', '.join(VIEWS)}")
    with limit_threads(load_params("hardware", Hardware).threads):
        out_of_fold = read_out_of_fold(len(folds))
        temperatures = cross_fitted_temperatures(out_of_fold, len(folds))
        report, curves = compare(out_of_fold, temperatures)
    write_checked_json(ENSEMBLE, {"folds": folds, "temperature": report["temperature"], "views": views})
    write_json(METRICS / "calibration.json", report)
    plot_reliability(METRICS / "reliability.png", curves)
    for when, columns in curves.items():
        bins = pd.DataFrame(dict(zip(("confidence", "accuracy", "pages"), columns, strict=True))).dropna()
        write_text(METRICS / f"reliability/{when}.csv", bins.to_csv(index=False, float_format="%.6g"))
    logger.info(
        "temperature %.3f: ECE %.4f -> %.4f, NLL %.4f -> %.4f",
        *(report[key] for key in ("temperature", "ece_before", "ece_after", "nll_before", "nll_after")),
    )


def cross_fitted_temperatures(out_of_fold: OutOfFold, folds: int) -> np.ndarray:
    """Each fold's temperature from the pages of the others, (folds,)."""
    others = [out_of_fold.folds != fold for fold in range(folds)]
    return np.array([fit_temperature(out_of_fold.logits[rows], out_of_fold.targets[rows]) for rows in others])


def compare(
    out_of_fold: OutOfFold, temperatures: np.ndarray
) -> "tuple[dict[str, Any], dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]":
    """Measure calibration before and after; the temperature stays 1 where the likelihood of other folds does not gain.

    Returns:
        The report, and the reliability curves by title.
    """
    logits, targets = out_of_fold.logits.astype(np.float64), out_of_fold.targets
    each = temperatures[out_of_fold.folds][:, None]  # (N, 1)
    before, after = negative_log_likelihood(logits, targets), negative_log_likelihood(logits, targets, each)
    temperature = fit_temperature(logits, targets)
    if after >= before:
        logger.warning("no temperature improves the likelihood of pages of other folds: it stays 1")
        temperature, after, each = 1.0, before, np.ones_like(each)
    raw, scaled = softmax(logits, axis=1), softmax(logits / each, axis=1)
    report = {
        "temperature": temperature,
        "ece_before": calibration_error(raw, targets),
        "ece_after": calibration_error(scaled, targets),
        "nll_before": before,
        "nll_after": after,
        "temperature_by_fold": {str(fold): float(value) for fold, value in enumerate(temperatures)},
        "pages": len(targets),
    }
    return report, {"before": reliability(raw, targets), "after": reliability(scaled, targets)}
