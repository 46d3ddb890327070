"""Classify texts with the models of a folder, as JSON lines.

    python -m reprise.taxonomy.predict --text "the ball head slips with a long lens"
    python -m reprise.taxonomy.predict --file reviews.txt --top-k 3

A file holds one text a line, or `doc id<TAB>text`. Each line of output has the document's id, the predicted classes as
paths from the top with their probabilities (none for a text that fits no class), and the k most probable leaves. Only
models/taxonomy is read. Texts may be of any length; the encoder reads their first max_tokens tokens.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.taxonomy import paths

if TYPE_CHECKING:
    import numpy as np

    from reprise.taxonomy.data.hierarchy import Hierarchy

BLOCK = 1024  # texts at once
PATHS_SHOWN = 4  # to one class, where it has several


def main(
    text: Annotated[str | None, typer.Option(help="One text.")] = None,
    file: Annotated[Path | None, typer.Option(help="A text a line, or doc id<TAB>text.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Leaves to list.")] = 5,
    model: Annotated[Path, typer.Option(help="Weights of the classifier.")] = paths.SELF_TRAINED,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
) -> None:
    """Classify texts, as JSON lines."""
    if text is not None and file is None:
        documents = [("0", text)]
    elif file is not None and text is None:
        documents = read_documents(file)
    else:
        raise InputError("give either --text or --file")
    for record in predict(documents, model, top_k, accelerator):
        typer.echo(json.dumps(record, ensure_ascii=False, allow_nan=False))


def predict(documents: list[tuple[str, str]], model: Path, top_k: int, accelerator: str) -> Iterator[dict[str, Any]]:
    """Predict for documents (id, text), in their order.

    Raises:
        InputError: no usable model, or an accelerator that this machine lacks.
    """
    from reprise.core.devices import prediction_devices
    from reprise.core.processes import in_turns
    from reprise.taxonomy.classifier.predictor import Predictor
    from reprise.taxonomy.data.lines import normalise_text

    predictor = Predictor(model, prediction_devices(accelerator))

    def predict_block(block: list[tuple[str, str]]) -> list[dict[str, Any]]:
        embeddings = predictor.embed([normalise_text(text) for _, text in block], "text", cache=False)
        logits = predictor.logits(embeddings)
        found = zip(block, predictor.probabilities(logits), predictor.sets(embeddings, logits), strict=True)
        return [
            {"id": identifier, **describe_prediction(row, chosen, predictor.hierarchy, top_k)}
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
    from reprise.taxonomy.data.lines import read_lines

    documents = []
    for number, line in read_lines(path):
        identifier, tab, text = line.partition("\t")
        documents.append((identifier.strip(), text) if tab else (str(number), line))
    if not documents:
        raise InputError(f"{path}: no texts; expected one a line, or lines of doc id<TAB>text")
    return documents


def describe_prediction(
    probabilities: "np.ndarray", chosen: "np.ndarray", hierarchy: "Hierarchy", top_k: int
) -> dict[str, Any]:
    """Describe one document's prediction by ids and names.

    Args:
        probabilities: (C,), never lower for a class than for its descendants.
        chosen: (C,) bool, closed under ancestors.
        hierarchy: the C classes.
        top_k: leaves to list.
    """
    ends = [
        index for index in chosen.nonzero()[0].tolist() if not any(chosen[child] for child in hierarchy.children[index])
    ]
    ends.sort(key=lambda index: -probabilities[index])
    leaves = hierarchy.leaves
    best = leaves[(-probabilities[leaves]).argsort(kind="stable")[:top_k]]
    return {
        "classes": [
            {
                "path": [hierarchy.names[index] for index in path],
                "ids": [hierarchy.ids[index] for index in path],
                "probabilities": [round(float(probabilities[index]), 4) for index in path],
            }
            for end in ends
            for path in hierarchy.best_paths(end, probabilities, PATHS_SHOWN)
        ],
        "top": [
            {"id": hierarchy.ids[index], "name": hierarchy.names[index], "probability": round(float(p), 4)}
            for index, p in zip(best, probabilities[best], strict=True)
        ],
    }


if __name__ == "__main__":
    run_command(main)
