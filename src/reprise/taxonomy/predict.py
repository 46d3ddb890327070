"""Classify texts with the models of a folder, as JSON lines.

    python -m reprise.taxonomy.predict --text "the ball head slips with a long lens"
    python -m reprise.taxonomy.predict --file reviews.txt --top-k 3
    python -m reprise.taxonomy.predict --file reviews.txt --models exported --onnx
    python -m reprise.taxonomy.predict reviews.parquet --to predicted --id-column review

A file holds one text a line, or `doc id<TAB>text`. Each line of it gives one line of output, in its order: the
document's id, the predicted classes as paths from the top with their probabilities (none for a text that fits no
class; of a class with many paths the best few), and the k most probable leaves. A line that holds no text gives its id
and an error, and the exit code is 1. Only models/taxonomy (or `--models`) is read. Texts may be of any length; the
encoder reads their first max_tokens tokens. With `--onnx` a folder of `reprise export` is read without torch.
With `--to` a SOURCE of any size becomes parquet files (`reprise.bulk`).
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprise.bulk.options import Engine, ShardRows, To, Workers, refuse_bulk_options
from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.text import json_line
from reprise.taxonomy import paths

if TYPE_CHECKING:
    import numpy as np

    from reprise.taxonomy.classifier.predictor import Predictor
    from reprise.taxonomy.data.hierarchy import Hierarchy

BLOCK = 1024  # texts at once
PATHS_SHOWN = 4  # to one class, where it has several


@dataclasses.dataclass(frozen=True)
class Document:
    """A text to classify, or what is wrong with the line that should hold one."""

    id: str
    text: str
    error: str | None = None


def main(
    source: Annotated[
        str | None,
        typer.Argument(help="With --to: lines as of --file, or .jsonl or .parquet files; a path or s3://..."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="One text.")] = None,
    file: Annotated[Path | None, typer.Option(help="A text a line, or doc id<TAB>text.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Leaves to list.")] = 5,
    models: Annotated[Path, typer.Option(help="Folder of classifier and encoder.")] = paths.MODELS,
    model: Annotated[
        Path | None, typer.Option(help="Weights of the classifier, where they are not the folder's self-trained ones.")
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Use the folder's ONNX files, without torch.")] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
    to: To = None,
    text_column: Annotated[str, typer.Option(help="Of the SOURCE's JSON lines or parquet files.")] = "text",
    id_column: Annotated[str | None, typer.Option(help="Of the same; by default the row's number is its id.")] = None,
    engine: Engine = None,
    workers: Workers = None,
    shard_rows: ShardRows = None,
) -> None:
    """Classify texts, as JSON lines, or as parquet files in a folder."""
    if onnx and model is not None:
        raise InputError("--onnx reads the folder that --models names; --model does not go with it")
    if to is not None:
        if source is None or text is not None or file is not None:
            raise InputError("--to takes a SOURCE, and neither --text nor --file")
        from reprise.bulk.run import predict_source
        from reprise.taxonomy.bulk import BulkTexts

        task = BulkTexts(
            models.absolute(), model and model.absolute(), top_k, onnx, accelerator, text_column, id_column
        )
        predict_source(task, source, to, engine, workers, shard_rows)
        return
    refuse_bulk_options(engine, workers, shard_rows)
    if source is not None:
        raise InputError("a SOURCE goes with --to; give a text by --text, a file of texts by --file")
    if text is not None and file is None:
        documents = [argument(text)]
    elif file is not None and text is None:
        documents = read_documents(file)
    else:
        raise InputError("give either --text or --file")
    failed = False
    classifier = open_onnx(models, accelerator) if onnx else open_torch(models, model, accelerator)
    for record in predict_by(classifier, documents, top_k):
        typer.echo(json_line(record))
        failed = failed or "error" in record
    if failed:
        raise typer.Exit(1)


def argument(text: str) -> Document:
    """The document that `--text` holds.

    Raises:
        InputError: no text, or not UTF-8.
    """
    if has_surrogates(text):  # Python's stand-ins for bytes that are not UTF-8
        raise InputError("--text is not UTF-8")
    if not text.strip():
        raise InputError("--text is empty; expected a text")
    return Document("0", text)


def has_surrogates(text: str) -> bool:
    """Whether a text holds halves of surrogate pairs, which no encoding of Unicode can write."""
    return any("\ud800" <= character <= "\udfff" for character in text)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained classifier, run by torch or by onnxruntime.

    Attributes:
        hierarchy: the C classes.
        classify: N texts -> probabilities (N, C), and predicted classes (N, C) bool.
    """

    hierarchy: "Hierarchy"
    classify: "Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]"


def open_torch(models: Path, model: Path | None, accelerator: str) -> Classifier:
    """Read a classifier with its encoder.

    Raises:
        InputError: no usable model, or an accelerator that this machine lacks.
    """
    from reprise.core.devices import prediction_devices
    from reprise.taxonomy.classifier.predictor import Predictor

    path = model or models / paths.SELF_TRAINED.name
    fetch_referenced(path.parent)
    return classifier_of(Predictor(path, prediction_devices(accelerator)))


def classifier_of(predictor: "Predictor") -> Classifier:
    """A predictor as the commands use it; no embedding is read from the cache or written to it."""

    def classify(texts: Sequence[str]) -> "tuple[np.ndarray, np.ndarray]":
        embeddings = predictor.embed(texts, "text", cache=False)
        logits = predictor.logits(embeddings)
        return predictor.probabilities(logits), predictor.sets(embeddings, logits)

    return Classifier(predictor.hierarchy, classify)


def open_onnx(models: Path, accelerator: str, threads: int = 0) -> Classifier:
    """Read the ONNX files of an exported folder; torch is not imported. Threads are those of the CPU; 0: all cores.

    Raises:
        InputError: there are none, or they are damaged.
    """
    from reprise.onnx.session import refuse_accelerator
    from reprise.taxonomy.onnx_predictor import OnnxPredictor

    refuse_accelerator(accelerator)
    predictor = OnnxPredictor(models, threads)
    return Classifier(predictor.hierarchy, predictor.predict)


def fetch_referenced(models: Path) -> None:
    """Put an encoder that an exported folder names, but does not hold, into the folder.

    Its files are compared with the classifier's checksums afterwards, as always.

    Raises:
        InputError: the encoder is neither here nor on the hub.
    """
    from reprise.core.models import load_model, read_checked_json

    folder, manifest = models / paths.ENCODER.name, models / "export.json"
    if folder.exists() or not manifest.is_file() or not read_checked_json(manifest).get("referenced"):
        return
    from reprise.taxonomy.classifier.predictor import describe_model
    from reprise.taxonomy.zero_shot.encoder import open_encoder, save_encoder

    path = models / paths.SELF_TRAINED.name
    recipe = describe_model(path, load_model(path)[1]).recipe
    save_encoder(open_encoder(recipe.encoder, recipe.max_tokens), folder)


def predict_by(classifier: Classifier, documents: Sequence[Document], top_k: int) -> Iterator[dict[str, Any]]:
    """Predict for documents, in their order; one with an error gives the error."""
    from tqdm import tqdm

    from reprise.taxonomy.data.lines import normalise_text

    def predict_block(block: Sequence[Document]) -> list[dict[str, Any]]:
        texts = [normalise_text(document.text) for document in block if document.error is None]
        found: list[dict[str, Any]] = []
        if texts:
            rows = zip(*classifier.classify(texts), strict=True)
            found = [describe_prediction(row, chosen, classifier.hierarchy, top_k) for row, chosen in rows]
        described = iter(found)
        return [
            {"id": document.id, **(next(described) if document.error is None else {"error": document.error})}
            for document in block
        ]

    blocks = [documents[start : start + BLOCK] for start in range(0, len(documents), BLOCK)]
    with tqdm(total=len(documents), unit="text", disable=None, leave=False) as progress:
        for records in map(predict_block, blocks):
            yield from records
            progress.update(len(records))


def read_documents(path: Path) -> list[Document]:
    """Read a document a line; a line without a tab is a text, and its number the id.

    Raises:
        InputError: no such file, or without a line.
    """
    from reprise.taxonomy.data.lines import raw_lines

    documents: list[Document] = []
    first_lines: dict[str, int] = {}
    for number, line in raw_lines(path):
        document = read_document(path, number, line)
        if document.error is None and (first := first_lines.setdefault(document.id, number)) != number:
            error = f"{path}:{number}: duplicate id {document.id!r}, first on line {first}"
            document = dataclasses.replace(document, error=error)
        documents.append(document)
    if not documents:
        raise InputError(f"{path}: no texts; expected one a line, or lines of doc id<TAB>text")
    return documents


def read_document(path: Path, number: int, line: bytes) -> Document:
    """Read one line, `doc id<TAB>text` or a text whose id is the line's number; what is wrong with it is its error."""
    from reprise.taxonomy.data.lines import decode_line, read_name

    identifier, text, error = str(number), "", None
    try:
        before, tab, after = decode_line(path, number, line).partition("\t")
        text = after if tab else before
        if tab:
            identifier = read_name(before, f"{path}:{number}") or identifier
        if not text.strip():
            error = f"{path}:{number}: no text"
        elif tab and not before.strip():
            error = f"{path}:{number}: nothing before the tab; expected a text, or doc id<TAB>text"
    except InputError as found:
        error = str(found)
    return Document(identifier, text, error)


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
