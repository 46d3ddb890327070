"""Report the test scores of the zero-shot similarity and of both trained classifiers.

    python src/run.py taxonomy.evaluate

The one stage that reads labels: test_doc2labels.txt in `taxonomy.data`, and train_doc2labels.txt to say how good the
silver labels were (test/doc2labels.txt and train/doc2labels.txt in TELEClass's layout). Writes
metrics/taxonomy/evaluation.json, and beside it the tables examples.csv, items.csv (each document's example-F1),
per_class.csv, confusion.csv (top-level classes) and leaf_confusion.csv, and pictures. One rule (classifier/decision.py)
turns the scores of every classifier into sets.
"""

import logging
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from reprise.core.devices import torch_devices
from reprise.core.files import read_npy, read_parquet, write_json, write_text
from reprise.core.params import Hardware, Params, load_params, load_path, load_seed, load_value
from reprise.core.seed import derive_seed, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.taxonomy import paths
from reprise.taxonomy.classifier.decision import none_threshold, predict_sets
from reprise.taxonomy.classifier.predictor import Predictor
from reprise.taxonomy.data.corpus import read_core_classes
from reprise.taxonomy.data.hierarchy import Hierarchy, load_hierarchy
from reprise.taxonomy.quality import plots
from reprise.taxonomy.quality.labels import LabelRule, labels_path, read_truth
from reprise.taxonomy.quality.metrics import classification_metrics, silver_metrics
from reprise.taxonomy.quality.tables import (
    class_table,
    confusion_table,
    csv_text,
    example_table,
    item_table,
    leaf_confusion_table,
)
from reprise.taxonomy.zero_shot.core_classes import parse_sharpness, zero_shot_scores

logger = logging.getLogger("reprise")

CLASSIFIERS = ("zero_shot", "trained", "self_trained")
HEADLINE = ("example_f1", "micro_f1", "macro_f1", "accuracy", "p_at_1", "mrr", "hierarchical_f1")


class EvaluateParams(Params):
    """Params taxonomy.evaluate."""

    labels: LabelRule


def main() -> None:
    params = load_params("taxonomy.evaluate", EvaluateParams)
    folder, seed = load_path("taxonomy.data"), load_seed()
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(hardware.threads)
    hierarchy = load_hierarchy(paths.HIERARCHY)
    test = read_parquet(paths.corpus_path("test"))
    with timed(paths.timing_path("evaluate")):
        test_labels = labels_path(folder, "test")
        truth, about_test = read_truth(test_labels, hierarchy, test["doc_id"].tolist(), params.labels)
        train_documents = read_parquet(paths.CORE_CLASSES)["doc_id"]
        train_labels = labels_path(folder, "train")
        train_truth, about_train = read_truth(train_labels, hierarchy, train_documents.tolist(), params.labels)
        core = read_core_classes(paths.CORE_CLASSES, hierarchy)
        predictions = predict_all(test["text"].tolist(), hierarchy, hardware)
        evaluation: dict[str, Any] = {"labels": {"test": truth is not None, "train": train_truth is not None}}
        evaluation["ancestors"] = {"test": about_test, "train": about_train}
        for name, (scores, sets) in predictions.items():
            if truth is None:
                evaluation[name] = {"mean_predicted_classes": float(sets.sum(axis=1).mean())}
            else:
                bootstrap_seed = derive_seed(seed, "taxonomy-evaluate")
                evaluation[name] = classification_metrics(scores, sets, truth, hierarchy, bootstrap_seed)
        if train_truth is not None:
            evaluation["silver"] = silver_metrics(core, train_truth)
        write_tables(test, {name: sets for name, (_, sets) in predictions.items()}, truth, core, hierarchy)
        plots.headline_bars({name: evaluation[name] for name in CLASSIFIERS}, HEADLINE, paths.METRICS / "headline.png")
        write_json(paths.METRICS / "evaluation.json", evaluation)
    if truth is None:
        logger.warning("no %s: nothing is scored", test_labels)
    else:
        report(evaluation)


def predict_all(texts: list[str], hierarchy: Hierarchy, hardware: Hardware) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scores (N, C) and predicted sets (N, C) of the test documents, by classifier."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    devices = torch_devices(hardware)
    for name, path in (("trained", paths.TRAINED), ("self_trained", paths.SELF_TRAINED)):
        predictor = Predictor(path, devices, hardware.eval_batch_size)
        embeddings = predictor.embed(texts, "test", at_hand=paths.embeddings_path("test"))
        logits = predictor.logits(embeddings)
        found[name] = predictor.probabilities(logits), predictor.sets(embeddings, logits)
    return {"zero_shot": predict_zero_shot(hierarchy, predictor.recipe.abstain_odds), **found}


def predict_zero_shot(hierarchy: Hierarchy, abstain_odds: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, C) and predicted sets (N, C) of the test documents, by the similarity stage's files alone.

    The evidence is not asked of the trained classifier: where its encoder learned, that is logits.
    """
    names = read_npy(paths.embeddings_path("classes"))[hierarchy.leaves]  # (E, D)
    train, test = (np.array(read_npy(paths.embeddings_path(split))) @ names.T for split in ("train", "test"))
    threshold = none_threshold(train, hierarchy, abstain_odds)
    sharpness = parse_sharpness(load_value("taxonomy.core_classes.refined.sharpness"))
    scores, leaves = zero_shot_scores(read_npy(paths.similarity_path("test")), sharpness, hierarchy)
    return scores, predict_sets(leaves, test.max(axis=1), threshold, hierarchy)


def write_tables(
    test: pd.DataFrame,
    sets: dict[str, np.ndarray],
    truth: csr_array | None,
    core: np.ndarray,
    hierarchy: Hierarchy,
) -> None:
    """Write examples.csv, items.csv, per_class.csv, confusion.csv and leaf_confusion.csv, and pictures of two."""
    write_text(paths.METRICS / "examples.csv", csv_text(example_table(test, sets, truth, hierarchy)))
    compared = {name: sets[name] for name in ("zero_shot", "self_trained")}
    write_text(paths.METRICS / "items.csv", csv_text(item_table(test, compared, truth)))
    per_class = class_table(sets["self_trained"], truth, core, hierarchy)
    write_text(paths.METRICS / "per_class.csv", csv_text(per_class))
    plots.f1_by_silver(per_class, paths.METRICS / "f1_by_silver_documents.png")
    confusion = confusion_table(sets["self_trained"], truth, hierarchy)
    write_text(paths.METRICS / "confusion.csv", csv_text(confusion))
    plots.confusion_matrix(confusion, paths.METRICS / "confusion.png")
    leaves = leaf_confusion_table(sets["self_trained"], truth, hierarchy)
    write_text(paths.METRICS / "leaf_confusion.csv", csv_text(leaves))


def report(evaluation: dict[str, Any]) -> None:
    """Log the headline metrics, and warn where a training lowered example-F1."""
    logger.info("%-13s %s", "", "  ".join(f"{name:>15}" for name in HEADLINE))
    for name in CLASSIFIERS:
        logger.info("%-13s %s", name, "  ".join(f"{evaluation[name][metric]:15.4f}" for metric in HEADLINE))
    for before, after in (("zero_shot", "trained"), ("trained", "self_trained")):
        first, second = evaluation[before]["example_f1"], evaluation[after]["example_f1"]
        if second < first:
            logger.warning("`%s` is below `%s`: example_f1 %.4f against %.4f", after, before, second, first)
