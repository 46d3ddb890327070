"""Labels that the out-of-fold models confidently contradict."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy.special import softmax

from reprise.core.text import compose_name
from reprise.documents.data.tables import Classes
from reprise.documents.network.out_of_fold import OutOfFold
from reprise.documents.quality.calibration import cross_fitted_temperatures


def confident_thresholds(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How sure the models are, on average, of each class where it is the label, (C,); infinity without pages.

    Confident learning (Northcutt, Jiang and Chuang, JAIR 2021, equation 2).
    """
    counts = np.bincount(targets, minlength=probabilities.shape[1])
    own = probabilities[np.arange(len(targets)), targets]
    sums = np.bincount(targets, weights=own, minlength=probabilities.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def find_suspects(probabilities: np.ndarray, targets: np.ndarray) -> pd.DataFrame:
    """Find pages whose likeliest class is not the label, and is at least as likely as it is where it is the label.

    Args:
        probabilities: (N, C), of models that did not learn from the page.
        targets: (N,) labels.

    Returns:
        Columns row, target, predicted, probability (of the predicted class) and label_probability; the widest gap
        between the two comes first.
    """
    rows = np.arange(len(targets))
    predicted = probabilities.argmax(1)
    confident = probabilities[rows, predicted] >= confident_thresholds(probabilities, targets)[predicted]
    found = rows[(predicted != targets) & confident]
    table = pd.DataFrame(
        {
            "row": found,
            "target": targets[found],
            "predicted": predicted[found],
            "probability": probabilities[found, predicted[found]],
            "label_probability": probabilities[found, targets[found]],
        }
    )
    gap = table["label_probability"] - table["probability"]
    return table.loc[gap.sort_values(kind="stable").index].reset_index(drop=True)


def list_suspects(
    out_of_fold: OutOfFold, table: pd.DataFrame, classes: Classes, settled: Collection[str] = ()
) -> pd.DataFrame:
    """List the labels that the models contradict, by calibrated out-of-fold probability.

    Args:
        out_of_fold: of N pages.
        table: id, file and fold of the same pages.
        classes: the C classes.
        settled: composed ids of the pages whose label a person has settled; they are left out.

    Returns:
        The columns of suspects.csv, indexed by the page's place among the N.
    """
    logits, targets, folds = out_of_fold.logits, out_of_fold.targets, out_of_fold.folds
    by_fold = cross_fitted_temperatures(logits, targets, folds, np.unique(folds).tolist())
    temperatures = np.array([by_fold[fold] for fold in folds])[:, None]  # (N, 1)
    found = find_suspects(softmax(logits / temperatures, axis=1), targets)
    asked = ~table["id"].iloc[found["row"]].map(compose_name).isin(settled).to_numpy()
    found = found[asked].reset_index(drop=True)
    own = table.iloc[found["row"]]
    suspects = pd.DataFrame(
        {
            "ID": own["id"].to_numpy(),
            "file": own["file"].to_numpy(),
            "label": [classes.names[target] for target in found["target"]],
            "predicted": [classes.names[target] for target in found["predicted"]],
            "probability": found["probability"].round(4),
            "label_probability": found["label_probability"].round(4),
            "fold": own["fold"].to_numpy(),
        }
    )
    return suspects.set_index(found["row"])
