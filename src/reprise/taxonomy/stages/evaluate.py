"""Report the test scores of the zero-shot similarity and of both trained classifiers.

    python src/run.py taxonomy.evaluate

The one stage that reads labels: `<taxonomy.data>/test_doc2labels.txt`, and train_doc2labels.txt to say how good the
silver labels were. Writes metrics/taxonomy/evaluation.json, tables (per_class.csv, examples.csv, confusion.csv) and
pictures beside it. One rule (src/taxonomy/decision.py) turns every row's scores into sets of classes.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from reprise.core.devices import torch_devices
from reprise.core.files import read_json, read_npy, read_parquet, write_json, write_text
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.taxonomy.classifier.decision import predict_sets
from reprise.taxonomy.classifier.predictor import Predictor
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.silver import read_core_classes
from reprise.taxonomy.quality import plots
from reprise.taxonomy.quality.labels import read_labels
from reprise.taxonomy.quality.metrics import class_counts, classification_metrics, example_f1_scores, silver_metrics
from reprise.taxonomy.stages.core_classes import zero_shot_posterior

logger = logging.getLogger("reprise")

PREPARED = Path("data/taxonomy/prepared")
SIMILARITY = Path("data/taxonomy/similarity/test.npy")
EMBEDDINGS = Path("data/taxonomy/embeddings/test.npy")
CORE_CLASSES = Path("data/taxonomy/silver/core_classes.parquet")
MODELS = Path("models/taxonomy")
METRICS = Path("metrics/taxonomy")
TIMING = METRICS / "timing/evaluate.json"
ROWS = ("zero_shot", "trained", "self_trained")
HEADLINE = ("example_f1", "micro_f1", "macro_f1", "accuracy", "p_at_1", "mrr", "hierarchical_f1")
EXAMPLES = 40
SHOWN_CHARACTERS = 160


def main() -> None:
    """Run the stage."""
    folder, seed = Path(load_value("taxonomy.data")), load_value("seed")
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(hardware.threads)
    hierarchy = Hierarchy.from_dict(read_json(PREPARED / "hierarchy.json"))
    test = read_parquet(PREPARED / "test.parquet")
    with timed(TIMING):
        truth = labels_of(folder / "test_doc2labels.txt", hierarchy, test["doc_id"])
        train_documents = read_parquet(CORE_CLASSES)["doc_id"]
        train_truth = labels_of(folder / "train_doc2labels.txt", hierarchy, train_documents)
        core = read_core_classes(CORE_CLASSES, hierarchy)
        predictions = predict_rows(test["text"].tolist(), hierarchy, hardware)
        evaluation: dict[str, Any] = {"labels": {"test": truth is not None, "train": train_truth is not None}}
        for row, (scores, own) in predictions.items():
            if truth is None:
                evaluation[row] = {"mean_predicted_classes": float(own.sum(axis=1).mean())}
            else:
                bootstrap_seed = derive_seed(seed, "taxonomy-evaluate")
                evaluation[row] = classification_metrics(scores, own, truth, hierarchy, bootstrap_seed)
        if train_truth is not None:
            evaluation["silver"] = silver_metrics(core, train_truth)
        sets = {row: own for row, (_, own) in predictions.items()}
        write_tables(test, sets, truth, core, hierarchy)
        write_pictures(evaluation, predictions, truth, core, hierarchy)
        write_json(METRICS / "evaluation.json", evaluation)
    if truth is None:
        logger.warning("%s has no test_doc2labels.txt: nothing is scored", folder)
    else:
        report(evaluation)


def labels_of(path: Path, hierarchy: Hierarchy, documents: pd.Series) -> csr_array | None:
    """True labels (N, C), or None where there is no such file."""
    return read_labels(path, hierarchy, documents.tolist()) if path.exists() else None


def predict_rows(
    texts: list[str], hierarchy: Hierarchy, hardware: Hardware
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scores (N, C) and sets (N, C) of each row on the test documents."""
    rows: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    devices = torch_devices(hardware)
    for row, file in (("trained", "classifier"), ("self_trained", "self_trained")):
        predictor = Predictor(MODELS / f"{file}.safetensors", devices)
        embeddings = predictor.embed(texts, "test", at_hand=EMBEDDINGS)
        logits = predictor.logits(embeddings)
        rows[row] = predictor.probabilities(logits), predictor.sets(embeddings, logits)
        if row == "trained":
            evidence, threshold = predictor.evidence(embeddings, logits), predictor.evidence_threshold
    scores, leaves = zero_shot_scores(hierarchy)
    return {"zero_shot": (scores, predict_sets(leaves, evidence, threshold, hierarchy)), **rows}


def zero_shot_scores(hierarchy: Hierarchy) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the similarity alone, of all classes (N, C) and of the leaves (N, E).

    The softmax of the leaves' similarities keeps their order; a parent is scored by the best of its descendants.
    """
    sharpness = load_value("taxonomy.core_classes.refined.sharpness")
    leaves = zero_shot_posterior(read_npy(SIMILARITY)[:, hierarchy.leaves], sharpness)
    scores = np.zeros((len(leaves), len(hierarchy)), dtype=np.float32)
    scores[:, hierarchy.leaves] = leaves
    return hierarchy.best_of_descendants(scores), leaves


def write_tables(
    test: pd.DataFrame,
    sets: dict[str, np.ndarray],
    truth: csr_array | None,
    core: np.ndarray,
    hierarchy: Hierarchy,
) -> None:
    """Write examples.csv, and with labels per_class.csv and confusion.csv."""
    examples = example_table(test, sets, truth, hierarchy)
    write_text(METRICS / "examples.csv", examples.to_csv(index=False))
    per_class = class_table(sets["self_trained"], truth, core, hierarchy)
    write_text(METRICS / "per_class.csv", per_class.to_csv(index=False, float_format="%.4f"))
    confusion = confusion_table(sets["self_trained"], truth, hierarchy)
    write_text(METRICS / "confusion.csv", confusion.to_csv(index=False))


def example_table(
    test: pd.DataFrame, sets: dict[str, np.ndarray], truth: csr_array | None, hierarchy: Hierarchy
) -> pd.DataFrame:
    """Documents spread over the corpus: text, true classes, and each row's classes; `f1` is the last row's."""
    rows = np.unique(np.linspace(0, len(test) - 1, min(EXAMPLES, len(test))).astype(int))
    table = pd.DataFrame({"doc_id": test["doc_id"].iloc[rows], "text": test["text"].iloc[rows].str[:SHOWN_CHARACTERS]})
    if truth is not None:
        table["true"] = [names_of(row, hierarchy) for row in truth[rows].toarray()]
    for name, own in sets.items():
        table[name] = [names_of(row, hierarchy) for row in own[rows]]
    if truth is not None:
        table["f1"] = example_f1_scores(sets[ROWS[-1]][rows], truth[rows]).round(3)
    return table


def names_of(row: np.ndarray, hierarchy: Hierarchy) -> str:
    """Names of a set of classes, higher levels first."""
    columns = sorted(np.flatnonzero(row), key=lambda column: (hierarchy.levels[column], column))
    return " > ".join(hierarchy.names[column] for column in columns)


def class_table(sets: np.ndarray, truth: csr_array | None, core: np.ndarray, hierarchy: Hierarchy) -> pd.DataFrame:
    """One row a class: its documents, true and silver, and how well it is found."""
    table = pd.DataFrame(
        {
            "id": hierarchy.ids,
            "name": hierarchy.names,
            "level": hierarchy.levels,
            "silver_documents": hierarchy.close_upwards(core).sum(axis=0),
            "predicted": sets.sum(axis=0),
        }
    )
    if truth is not None:
        found, predicted, true, _ = class_counts(sets, truth)
        table["support"] = true
        table["precision"] = found / np.maximum(predicted, 1)
        table["recall"] = found / np.maximum(true, 1)
        table["f1"] = 2 * found / np.maximum(predicted + true, 1)
    return table


def confusion_table(sets: np.ndarray, truth: csr_array | None, hierarchy: Hierarchy) -> pd.DataFrame:
    """Top-level classes, one line a document: actual and predicted, for the documents with one of each."""
    roots = list(hierarchy.roots)
    names = np.array([hierarchy.names[root] for root in roots], dtype=object)
    if truth is None:
        return pd.DataFrame({"actual": [], "predicted": []})
    actual, predicted = truth[:, roots].toarray(), sets[:, roots]
    single = (actual.sum(axis=1) == 1) & (predicted.sum(axis=1) == 1)
    return pd.DataFrame(
        {"actual": names[actual[single].argmax(axis=1)], "predicted": names[predicted[single].argmax(axis=1)]}
    )


def write_pictures(
    evaluation: dict[str, Any],
    predictions: dict[str, tuple[np.ndarray, np.ndarray]],
    truth: csr_array | None,
    core: np.ndarray,
    hierarchy: Hierarchy,
) -> None:
    """Draw what the tables say."""
    sets = predictions["self_trained"][1]
    plots.headline_bars({row: evaluation[row] for row in ROWS}, HEADLINE, METRICS / "headline.png")
    plots.confusion_matrix(confusion_table(sets, truth, hierarchy), METRICS / "confusion.png")
    plots.f1_by_silver(class_table(sets, truth, core, hierarchy), METRICS / "f1_by_silver_documents.png")


def report(evaluation: dict[str, Any]) -> None:
    """Log the headline metrics, and warn where a training made things worse."""
    logger.info("%-13s %s", "", "  ".join(f"{name:>15}" for name in HEADLINE))
    for row in ROWS:
        logger.info("%-13s %s", row, "  ".join(f"{evaluation[row][name]:15.4f}" for name in HEADLINE))
    for before, after in (("zero_shot", "trained"), ("trained", "self_trained")):
        first, second = evaluation[before]["example_f1"], evaluation[after]["example_f1"]
        if second < first:
            logger.warning("`%s` is below `%s`: example_f1 %.4f against %.4f", after, before, second, first)
