"""Predict the test pages.

    python src/run.py documents.predict

Averages the folds' logits view by view, divides them by the temperature, and weighs each view's probabilities by how
likely it is the upright one. Reads models/documents and data/documents/prepared_test; writes
metrics/documents/submission.csv, with the order and the columns of sample_submission.csv, and probabilities.csv with
every class; and pictures of both: predictions.png and predicted_pages.png. `python -m reprise.documents.predict` takes
any images.
"""

import logging

import numpy as np
import pandas as pd

from reprise.core.devices import torch_devices
from reprise.core.files import read_npy, read_parquet, write_text
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.seed import use_deterministic_kernels
from reprise.core.stage import timed
from reprise.documents.data.tables import Classes
from reprise.documents.network.ensemble import load_ensemble
from reprise.documents.paths import IMAGES, METRICS, MODELS, PAGES, PREPARED_TEST, TIMING
from reprise.documents.prediction_plots import draw_predictions

logger = logging.getLogger("reprise")

BLOCK = 256  # pages at once


def main() -> None:
    hardware = load_params("hardware", Hardware)
    columns = load_value("documents.prepare.id_column"), load_value("documents.prepare.target_column")
    use_deterministic_kernels(hardware.threads)
    with timed(TIMING / "predict.json") as figures:
        table = read_parquet(PREPARED_TEST / PAGES)
        pages = read_npy(PREPARED_TEST / IMAGES)
        ensemble = load_ensemble(MODELS, torch_devices(hardware)[0], hardware.eval_batch_size)
        blocks = [ensemble.probabilities(pages[start : start + BLOCK]) for start in range(0, len(pages), BLOCK)]
        probabilities = np.concatenate([np.zeros((0, len(ensemble.classes))), *blocks])  # (N, C)
        submission, every = to_tables(table["id"].tolist(), probabilities, ensemble.classes, columns)
        write_text(METRICS / "submission.csv", submission.to_csv(index=False))
        write_text(METRICS / "probabilities.csv", every.to_csv(index=False, float_format="%.6f"))
        names = ensemble.classes.names
        likeliest = [names[place] for place in probabilities.argmax(1)]
        draw_predictions(METRICS, table["id"].tolist(), likeliest, probabilities.max(1), names, pages.__getitem__)
        figures["pages"] = len(pages)
    logger.info("%d test pages predicted by %d folds", len(pages), len(ensemble.folds))


def to_tables(
    ids: list[str], probabilities: np.ndarray, classes: Classes, columns: tuple[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the submission, and the table of all probabilities with a column a class.

    Args:
        ids: of N pages.
        probabilities: (N, C).
        classes: the C classes.
        columns: names of the columns of ids and targets.
    """
    targets = [classes.targets[index] for index in probabilities.argmax(1)]
    submission = pd.DataFrame({columns[0]: ids, columns[1]: targets})
    every = pd.DataFrame(probabilities, columns=list(classes.names))
    every.insert(0, columns[0], ids, allow_duplicates=True)  # a class may be called ID
    return submission, every
