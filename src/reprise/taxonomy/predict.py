"""Classify texts with the models of a folder, as JSON lines.

    python -m reprise.taxonomy.predict --text "the ball head slips with a long lens"
    python -m reprise.taxonomy.predict --file reviews.txt --top-k 3

A file holds one text a line, or `doc id<TAB>text`. Each line of output has the document's id, the predicted classes
as paths from the top with their probabilities (none for a text that fits no class), and the k most probable leaves.
Reads models/taxonomy alone; a text of any length will do, of which the encoder reads the first max_tokens tokens.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reprise.core.devices import prediction_devices
from reprise.core.errors import InputError
from reprise.core.processes import in_turns
from reprise.taxonomy.data.corpus import read_lines
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.stages.prepare import normalise_text

DEFAULT_MODEL = Path("models/taxonomy/self_trained.safetensors")
BLOCK = 1024  # texts at once


def main() -> int:
    """Run the command; returns the exit code."""
    arguments = parse_arguments()
    try:
        for record in predict(arguments):
            print(json.dumps(record, ensure_ascii=False), flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Classify texts, as JSON lines.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", help="one text")
    source.add_argument("--file", type=Path, help="a text a line, or doc id<TAB>text")
    parser.add_argument("--top-k", type=int, default=5, metavar="K", help="leaves to list (5)")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help=f"weights ({DEFAULT_MODEL})")
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, gpu or mps (auto)")
    arguments = parser.parse_args()
    if arguments.top_k < 1:
        parser.error(f"--top-k is {arguments.top_k}; expected 1 or more")
    return arguments


def predict(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Predict for the texts that the command line names, in their order."""
    documents = [("0", arguments.text)] if arguments.text is not None else read_documents(arguments.file)
    from reprise.taxonomy.classifier.predictor import Predictor

    predictor = Predictor(arguments.model, prediction_devices(arguments.accelerator))

    def predict_block(block: list[tuple[str, str]]) -> list[dict[str, Any]]:
        embeddings = predictor.embed([normalise_text(text) for _, text in block], "text", cache=False)
        logits = predictor.logits(embeddings)
        found = zip(block, predictor.probabilities(logits), predictor.sets(embeddings, logits), strict=True)
        return [
            {"id": identifier, **describe_prediction(row, chosen, predictor.hierarchy, arguments.top_k)}
            for (identifier, _), row, chosen in found
        ]

    blocks = [documents[start : start + BLOCK] for start in range(0, len(documents), BLOCK)]
    for records in in_turns(blocks, predict_block):
        yield from records


def read_documents(path: Path) -> list[tuple[str, str]]:
    """Read (id, text) pairs; a line without a tab is a text, and its number the id.

    Raises:
        InputError: no such file, not UTF-8, or without a text.
    """
    documents = []
    for number, line in read_lines(path):
        identifier, tab, text = line.partition("\t")
        documents.append((identifier.strip(), text) if tab else (str(number), line))
    if not documents:
        raise InputError(f"{path}: no texts; expected one a line, or lines of doc id<TAB>text")
    return documents


def describe_prediction(
    probabilities: np.ndarray, chosen: np.ndarray, hierarchy: Hierarchy, top_k: int
) -> dict[str, Any]:
    """Say one document's prediction in words.

    Args:
        probabilities: (C,), never lower for a class than for its descendants.
        chosen: (C,) bool, closed under ancestors.
        hierarchy: the C classes.
        top_k: leaves to list.
    """
    ends = [
        index
        for index in np.flatnonzero(chosen).tolist()
        if not any(chosen[child] for child in hierarchy.children[index])
    ]
    paths = [path for index in sorted(ends, key=lambda index: -probabilities[index]) for path in hierarchy.paths(index)]
    best = hierarchy.leaves[np.argsort(-probabilities[hierarchy.leaves], kind="stable")[:top_k]]
    return {
        "classes": [
            {
                "path": [hierarchy.names[index] for index in path],
                "ids": [hierarchy.ids[index] for index in path],
                "probabilities": [round(float(probabilities[index]), 4) for index in path],
            }
            for path in paths
        ],
        "top": [
            {"id": hierarchy.ids[index], "name": hierarchy.names[index], "probability": round(float(p), 4)}
            for index, p in zip(best, probabilities[best], strict=True)
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
