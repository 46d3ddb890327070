"""Texts of any number, from files of lines, JSON lines or parquet: for `reprise predict taxonomy --to`."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reprise.bulk.job import Predict
from reprise.bulk.shards import LONGEST_ROW, PARQUET, Shard, lines_of, table_of
from reprise.bulk.storage import Place
from reprise.taxonomy.predict import (
    BLOCK,
    Classifier,
    Document,
    fetch_referenced,
    has_surrogates,
    open_onnx,
    open_torch,
    read_document,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from reprise.taxonomy.data.hierarchy import Hierarchy

JSON_LINES = (".jsonl", ".ndjson")


@dataclasses.dataclass(frozen=True)
class BulkTexts:
    """How texts are predicted; `reprise.bulk.job.BulkTask` says what the attributes of all tasks mean.

    Attributes:
        folder: of classifier and encoder.
        model: weights of the classifier, where they are not the folder's self-trained ones.
        top_k: leaves to list.
        onnx: use the folder's ONNX files.
        text_column, id_column: of JSON lines and parquet; without an id column the row's number in its file is its id.
    """

    folder: Path
    model: Path | None
    top_k: int
    onnx: bool
    accelerator: str
    text_column: str = "text"
    id_column: str | None = None

    name: ClassVar[str] = "taxonomy"
    shard_rows: ClassVar[int] = 10_000
    files_are_rows: ClassVar[bool] = False
    extensions: ClassVar[tuple[str, ...]] = (".txt", ".tsv", *JSON_LINES, *PARQUET)

    @property
    def models(self) -> Path:
        if not self.onnx and self.model is None:
            fetch_referenced(self.folder)  # before the folder is hashed
        return self.model or self.folder

    @property
    def columns(self) -> list[str]:
        return [self.text_column, *([self.id_column] if self.id_column else [])]

    def settings(self) -> dict[str, Any]:
        return {"top_k": self.top_k, "onnx": self.onnx, "text_column": self.text_column, "id_column": self.id_column}

    def schema(self) -> "pa.Schema":
        """Ids and names of the predicted classes and the most probable leaves, each with its probability."""
        import pyarrow as pa

        names, numbers = pa.list_(pa.string()), pa.list_(pa.float64())
        return pa.schema(
            [
                ("id", pa.string()),
                ("classes", names),
                ("names", names),
                ("probabilities", numbers),
                ("top", names),
                ("top_probabilities", numbers),
                ("error", pa.string()),
            ]
        )

    def open(self, source: Place) -> Predict:
        if self.onnx:
            classifier = open_onnx(self.folder, self.accelerator, threads=1)
        else:
            import torch

            torch.set_num_threads(1)
            classifier = open_torch(self.folder, self.model, self.accelerator)
        return lambda shard, content: self.predict(classifier, list(self.documents(source, shard, content)))

    def documents(self, source: Place, shard: Shard, content: bytes) -> Iterator[Document]:
        """The rows of a shard as documents; what is wrong with one is its error."""
        path = Path((shard.file or source.address).rpartition("/")[2])  # as errors name it
        if path.suffix.lower() in PARQUET:
            table = table_of(content)
            texts = cells(table[self.text_column])
            ids = cells(table[self.id_column]) if self.id_column else [None] * len(texts)
            for number, (text, identifier) in enumerate(zip(texts, ids, strict=True), start=shard.line + 1):
                yield self.document(f"{path}: row {number}", number, text, identifier)
            return
        for number, line in enumerate(lines_of(shard, content), start=shard.line + 1):
            if line is None:
                length = shard.stop - shard.start
                yield Document(str(number), "", f"{path}:{number}: {length} bytes; at most {LONGEST_ROW} are read")
            elif path.suffix.lower() in JSON_LINES:
                yield self.json_document(path, number, line)
            else:
                yield read_document(path, number, line)

    def json_document(self, path: Path, number: int, line: bytes) -> Document:
        """Read a line of JSON."""
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:  # of UnicodeDecodeError, too
            return Document(str(number), "", f"{where}: not JSON: {error}")
        if not isinstance(record, dict):
            return Document(str(number), "", f"{where}: expected a JSON object, with {self.text_column!r}")
        if missing := [column for column in self.columns if column not in record]:
            return Document(str(number), "", f"{where}: no {missing[0]!r} in it")
        identifier = record[self.id_column] if self.id_column else None
        return self.document(where, number, record[self.text_column], identifier)

    def document(self, where: str, number: int, text: Any, identifier: Any) -> Document:
        """Check a row that has columns."""
        name = str(number if identifier is None else identifier)
        if not isinstance(text, str):
            return Document(name, "", f"{where}: {self.text_column!r} is {type(text).__name__}; expected a text")
        if has_surrogates(text + name):  # JSON can spell them
            return Document(str(number), "", f"{where}: not Unicode text")
        return Document(name, text, None if text.strip() else f"{where}: no text")

    def predict(self, classifier: Classifier, documents: list[Document]) -> list[dict[str, Any]]:
        """Predict documents in batches of like length, and give their records in their order."""
        from reprise.taxonomy.data.lines import normalise_text

        records: list[dict[str, Any]] = [{"id": document.id, "error": document.error} for document in documents]
        good = [number for number, document in enumerate(documents) if document.error is None]
        texts = {number: normalise_text(documents[number].text) for number in good}
        good.sort(key=lambda number: -len(texts[number]))
        for start in range(0, len(good), BLOCK):
            block = good[start : start + BLOCK]
            probabilities, chosen = classifier.classify([texts[number] for number in block])
            for number, row, classes in zip(block, probabilities, chosen, strict=True):
                records[number] |= describe(row, classes, classifier.hierarchy, self.top_k)
        return records


def cells(column: Any) -> list[Any]:
    """Values of a column of a pyarrow Table; Python's stand-ins for bytes of texts that are not UTF-8."""
    import pyarrow as pa

    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        found = column.cast(pa.large_binary()).to_pylist()
        values = [None if value is None else value.decode("utf-8", "surrogateescape") for value in found]
    return values


def describe(
    probabilities: "np.ndarray", chosen: "np.ndarray", hierarchy: "Hierarchy", top_k: int
) -> dict[str, list[Any]]:
    """Describe one text's prediction by columns.

    Args:
        probabilities: (C,), never lower for a class than for its descendants.
        chosen: (C,) bool, closed under ancestors.
        hierarchy: the C classes.
        top_k: leaves to list.
    """
    predicted = chosen.nonzero()[0]
    predicted = predicted[(-probabilities[predicted]).argsort(kind="stable")]
    best = hierarchy.leaves[(-probabilities[hierarchy.leaves]).argsort(kind="stable")[:top_k]]
    return {
        "classes": [hierarchy.ids[index] for index in predicted],
        "names": [hierarchy.names[index] for index in predicted],
        "probabilities": probabilities[predicted].astype(float).round(6).tolist(),
        "top": [hierarchy.ids[index] for index in best],
        "top_probabilities": probabilities[best].astype(float).round(6).tolist(),
    }
