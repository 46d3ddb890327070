"""What the tab of texts shows: a text's classes as a tree, what else was likely, and what speaks for them.

The words that speak for a class are found by leaving each out: what the class's log-odds lose without a word is that
word's effect (Li, Monroe and Jurafsky, "Understanding Neural Networks through Representation Erasure", 2016).
"""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reprise.core.errors import InputError
from reprise.core.params import PARAMS_FILE, load_value
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.lines import normalise_text
from reprise.taxonomy.predict import Classifier, Document, classifier_of, describe_prediction, predict_by
from reprise.taxonomy.zero_shot.class_texts import class_texts
from reprise.tools.demo.work import Report

if TYPE_CHECKING:
    from reprise.taxonomy.classifier.predictor import Predictor

STEP = " \u203a "  # between the classes of a path
RUNNER_UPS = 4
NEAREST = 6  # class texts that are shown
CANDIDATES = 12  # classes whose texts are compared: the most probable ones, and as many by their names
MOST_PIECES = 96  # of a text that are left out in turn; words of longer texts go together
BATCH = 32  # texts at once, between two reports
TOP = 5  # leaves that a record lists
LEAST_PROBABILITY = 1e-6  # log-odds stay finite


@dataclasses.dataclass(frozen=True)
class Texts:
    """A classifier with the texts that describe its classes.

    Attributes:
        predictor: of C classes.
        templates: of the class texts, as params.yaml has them.
    """

    predictor: "Predictor"
    templates: tuple[str, ...]

    @property
    def hierarchy(self) -> Hierarchy:
        return self.predictor.hierarchy

    @cached_property
    def own_texts(self) -> list[list[str]]:
        """Texts of each class, C lists: by the templates, then its keywords, each of which is a text too."""
        written = class_texts(self.hierarchy, self.templates)
        return [[*texts, *keywords] for texts, keywords in zip(written, self.hierarchy.keywords, strict=True)]

    @cached_property
    def classifier(self) -> Classifier:
        """As `reprise predict taxonomy` uses it."""
        return classifier_of(self.predictor)


def open_texts(models: Path) -> Texts:
    """Read the classifier of a folder.

    Raises:
        InputError: no usable model, or templates that are none.
    """
    from reprise.core.devices import prediction_devices
    from reprise.taxonomy.classifier.predictor import Predictor
    from reprise.taxonomy.paths import SELF_TRAINED
    from reprise.taxonomy.predict import fetch_referenced

    fetch_referenced(models)
    predictor = Predictor(models / SELF_TRAINED.name, prediction_devices("auto"))
    return Texts(predictor, read_templates())


def read_templates(path: Path = PARAMS_FILE) -> tuple[str, ...]:
    """The templates of the class texts; the name alone where there is no params.yaml.

    Raises:
        InputError: something else than texts.
    """
    if not path.is_file():
        return ("{name}",)
    found = load_value("taxonomy.similarity.templates", path)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise InputError(f"{path}: taxonomy.similarity.templates: expected a list of texts")
    return tuple(found)


def explain_text(text: str, texts: Texts, report: Report) -> dict[str, Any]:
    """Classify a text, and say why.

    Returns:
        What `reprise predict taxonomy` prints of it, and `about_none`, `evidence` and its `threshold`, `tree`,
        `runner_ups`, `target` (the class that is explained), `nearest_texts`, and `words` with their effects.

    Raises:
        InputError: no text.
    """
    content = normalise_text(text)
    if not content:
        raise InputError("no text; expected one or more words")
    report(0, 1, "reading the text")
    predictor, hierarchy = texts.predictor, texts.hierarchy
    embeddings = predictor.embed([content], "text", cache=False)  # (1, D)
    logits = predictor.logits(embeddings)
    probabilities = predictor.probabilities(logits)[0]  # (C,)
    chosen = predictor.sets(embeddings, logits)[0]  # (C,)
    target = explained_class(probabilities, chosen, hierarchy)
    others = runner_ups(probabilities, chosen, hierarchy)
    return {
        **describe_prediction(probabilities, chosen, hierarchy, TOP),
        "about_none": not chosen.any(),
        "evidence": round(float(predictor.evidence(embeddings, logits)[0]), 4),
        "threshold": round(float(predictor.evidence_threshold), 4),
        "tree": class_tree(probabilities, chosen, others, hierarchy),
        "runner_ups": [describe_path(index, probabilities, hierarchy) for index in others],
        "target": describe_path(target, probabilities, hierarchy),
        "nearest_texts": nearest_texts(embeddings[0], probabilities, texts),
        "words": word_effects(content, target, float(probabilities[target]), predictor, report),
    }


def explained_class(probabilities: np.ndarray, chosen: np.ndarray, hierarchy: Hierarchy) -> int:
    """The class whose words are looked for: the most probable end of a chosen path, else the likeliest leaf.

    Args:
        probabilities: (C,).
        chosen: (C,) bool, closed under ancestors.
        hierarchy: the C classes.
    """
    ends = np.flatnonzero(hierarchy.drop_ancestors(chosen[None])[0])
    among = ends if len(ends) else hierarchy.leaves
    return int(among[probabilities[among].argmax()])


def runner_ups(probabilities: np.ndarray, chosen: np.ndarray, hierarchy: Hierarchy) -> list[int]:
    """The likeliest leaves that were not chosen, best first."""
    leaves = hierarchy.leaves[~chosen[hierarchy.leaves]]
    return leaves[(-probabilities[leaves]).argsort(kind="stable")[:RUNNER_UPS]].tolist()


def describe_path(index: int, probabilities: np.ndarray, hierarchy: Hierarchy) -> dict[str, Any]:
    """The likeliest path to a class, by names, and the class's probability."""
    path = hierarchy.best_paths(index, probabilities, 1)[0]
    return {
        "id": hierarchy.ids[index],
        "path": [hierarchy.names[each] for each in path],
        "probability": round(float(probabilities[index]), 4),
    }


def class_tree(
    probabilities: np.ndarray, chosen: np.ndarray, others: Sequence[int], hierarchy: Hierarchy
) -> list[dict[str, Any]]:
    """The chosen paths and those of the runner-ups as one tree, its rows from the top, children after their parent.

    Args:
        probabilities: (C,).
        chosen: (C,) bool, closed under ancestors.
        others: runner-ups.
        hierarchy: the C classes; one with several parents stands below each that its best paths pass.

    Returns:
        id, name, level (1 at the top), probability and chosen of each row.
    """
    from reprise.taxonomy.predict import PATHS_SHOWN

    ends = np.flatnonzero(hierarchy.drop_ancestors(chosen[None])[0]).tolist()
    wanted = [(end, PATHS_SHOWN) for end in ends] + [(other, 1) for other in others]
    below: dict[tuple[int, ...], set[int]] = {}
    for end, count in wanted:
        for path in hierarchy.best_paths(end, probabilities, count):
            for depth, index in enumerate(path):
                below.setdefault(path[:depth], set()).add(index)
    rows: list[dict[str, Any]] = []
    waiting: list[tuple[int, ...]] = [(index,) for index in sorted(below[()], key=lambda each: probabilities[each])]
    while waiting:  # not recursive: a hierarchy may have as many levels as classes
        path = waiting.pop()
        index = path[-1]
        rows.append(
            {
                "id": hierarchy.ids[index],
                "name": hierarchy.names[index],
                "level": len(path),
                "probability": round(float(probabilities[index]), 4),
                "chosen": bool(chosen[index]),
            }
        )
        children = sorted(below.get(path, ()), key=lambda each: probabilities[each])
        waiting += [(*path, child) for child in children]
    return rows


def nearest_texts(embedding: np.ndarray, probabilities: np.ndarray, texts: Texts) -> list[dict[str, Any]]:
    """The class texts that are most like a document.

    Args:
        embedding: (D,), of norm 1.
        probabilities: (C,); with the names' embeddings they say which classes are worth comparing.
        texts: of the classes.

    Returns:
        Class, text and cosine, nearest first.
    """
    names = texts.predictor.network.classifier.class_embeddings.cpu().numpy()  # (C, F)
    likely = (-probabilities).argsort(kind="stable")[:CANDIDATES].tolist()
    if names.shape[1] == len(embedding):
        likely += (-(names @ embedding)).argsort(kind="stable")[:CANDIDATES].tolist()
    pairs = [(index, text) for index in dict.fromkeys(likely) for text in texts.own_texts[index]]
    vectors = texts.predictor.embed([text for _, text in pairs], "class", cache=False)
    cosines = vectors @ embedding
    return [
        {
            "class": texts.hierarchy.labels[pairs[place][0]],
            "text": pairs[place][1],
            "cosine": round(float(cosines[place]), 4),
        }
        for place in (-cosines).argsort(kind="stable")[:NEAREST]
    ]


def word_effects(
    content: str, target: int, probability: float, predictor: "Predictor", report: Report
) -> list[dict[str, Any]]:
    """What each word of a text adds to the log-odds of a class: what they lose when the word is left out.

    Args:
        content: words with single spaces between.
        target: the class.
        probability: of the class, for the whole text.
        predictor: gives the probability without a word.
        report: called after each batch.

    Returns:
        `text` and `effect` of each piece, in order; a piece is a word, or several of a long text.
    """
    pieces = split_pieces(content)
    without = [" ".join(pieces[:place] + pieces[place + 1 :]) for place in range(len(pieces))]
    rest: list[float] = []
    for start in range(0, len(without), BATCH):
        report(start, len(without), "leaving words out")
        embeddings = predictor.embed(without[start : start + BATCH], "text", cache=False)
        rest += predictor.probabilities(predictor.logits(embeddings))[:, target].tolist()
    whole = log_odds(np.array(probability))
    effects = whole - log_odds(np.array(rest))
    return [{"text": piece, "effect": round(float(effect), 4)} for piece, effect in zip(pieces, effects, strict=True)]


def split_pieces(content: str) -> list[str]:
    """The words of a text; where there are more than MOST_PIECES, as many stretches of words."""
    words = content.split(" ")
    if len(words) <= MOST_PIECES:
        return words
    return [" ".join(part) for part in np.array_split(np.array(words, dtype=object), MOST_PIECES)]


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Log-odds of probabilities, which are kept off 0 and 1."""
    kept = np.clip(probabilities.astype(np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.log(kept) - np.log1p(-kept)


def classify_documents(documents: Sequence[Document], texts: Texts, report: Report) -> list[dict[str, Any]]:
    """The records of many texts, as `reprise predict taxonomy --file` prints them."""
    records: list[dict[str, Any]] = []
    for start in range(0, len(documents), BATCH):
        report(start, len(documents), "classifying")
        records += predict_by(texts.classifier, documents[start : start + BATCH], TOP)
    return records


def row_of(record: dict[str, Any]) -> list[Any]:
    """A line of the table of many texts: id, path or what is wrong, probability."""
    if "error" in record:
        return [record["id"], record["error"], ""]
    if not record["classes"]:
        return [record["id"], "about none of the classes", ""]
    best = record["classes"][0]
    more = len(record["classes"]) - 1
    return [
        record["id"],
        STEP.join(best["path"]) + (f" (and {more} more)" if more else ""),
        f"{best['probabilities'][-1]:.2f}",
    ]
