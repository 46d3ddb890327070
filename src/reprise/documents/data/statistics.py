"""What a folder of pages holds: the counts of data.json, the list of near-duplicates, and what to warn of."""

import logging
from typing import Any

import pandas as pd

from reprise.core.text import for_csv, for_terminal
from reprise.documents.data.tables import Classes, some

logger = logging.getLogger("reprise")


def describe(train: pd.DataFrame, classes: Classes) -> dict[str, Any]:
    """Count the training pages by class and fold, and near-duplicates among them."""
    repeated = train[train["group"].duplicated(keep=False)]
    by_group = repeated.groupby("group")
    counts = train["target"].value_counts()
    return {
        "pages": len(train),
        "classes": {name: int(counts.get(index, 0)) for index, name in enumerate(classes.names)},
        "folds": {str(fold): int(count) for fold, count in train["fold"].value_counts().sort_index().items()},
        "near_duplicates": {
            "pages": len(repeated),
            "groups": by_group.ngroups,
            "groups_with_different_labels": int((by_group["target"].min() < by_group["target"].max()).sum()),
            "groups_over_several_folds": int((by_group["fold"].min() < by_group["fold"].max()).sum()),
        },
    }


def list_duplicates(train: pd.DataFrame, classes: Classes) -> pd.DataFrame:
    """List the pages that have a near-duplicate, group by group."""
    repeated = train[train["group"].duplicated(keep=False)].sort_values(["group", "id"])
    names = [for_csv(classes.names[target]) for target in repeated["target"]]
    ids = repeated["id"].map(for_csv)
    return pd.DataFrame({"group": repeated["group"].factorize()[0], "ID": ids, "class_name": names})


def log_statistics(statistics: dict[str, Any]) -> None:
    """Log what was found, and warn of what looks odd."""
    train, test = statistics["train"], statistics["test"]
    logger.info("%d training pages of %d classes, %d test pages", train["pages"], len(train["classes"]), test["pages"])
    if unlabelled := [name for name, count in train["classes"].items() if count == 0]:
        logger.warning("classes of meta.csv without a page: %s", for_terminal(some(unlabelled)))
    if changed := statistics["corrections"]["labels_changed"]:
        logger.info("labels that a person changed: %d", changed)
    duplicates = train["near_duplicates"]
    if duplicates["pages"]:
        logger.info("near-duplicates: %d pages in %d groups", duplicates["pages"], duplicates["groups"])
    if spread := duplicates["groups_over_several_folds"]:
        logger.warning("the column fold spreads %d groups of near-duplicates over several folds", spread)
    if disputed := duplicates["groups_with_different_labels"]:
        logger.warning("%d groups of near-duplicates have different labels: see near_duplicates.csv", disputed)
    for name, part in (("train", train), ("test", test)):
        if part["unlisted_images"]:
            logger.warning("%s: %d images are in no table, and are left out", name, part["unlisted_images"])
