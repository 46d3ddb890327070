"""A task without a model, to predict sources with: texts by their number of characters, files by their bytes."""

import dataclasses
import hashlib
import os
import time
from pathlib import Path
from typing import Any, ClassVar

from reprise.bulk.job import Predict
from reprise.bulk.listing import names_of
from reprise.bulk.shards import Shard, lines_of, table_of
from reprise.bulk.storage import Place
from reprise.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class ToyTexts:
    """Lines or a parquet column `text`; `bad` is an error, and `none` a failure of the model."""

    models: Path
    accelerator: str = "cpu"
    seconds: float = 0.0  # for a shard

    name: ClassVar[str] = "toy"
    shard_rows: ClassVar[int] = 7
    files_are_rows: ClassVar[bool] = False
    extensions: ClassVar[tuple[str, ...]] = (".txt", ".parquet")
    columns: ClassVar[list[str]] = ["text"]

    def settings(self) -> dict[str, Any]:
        return {"kind": "characters"}

    def schema(self) -> Any:
        import pyarrow as pa

        lists = (pa.list_(pa.string()), pa.list_(pa.float64()))
        return pa.schema(
            [("id", pa.string()), ("classes", lists[0]), ("probabilities", lists[1]), ("error", pa.string())]
        )

    def open(self, source: Place) -> Predict:
        return lambda shard, content: [self.record(text) for text in self.texts(source, shard, content)]

    def texts(self, source: Place, shard: Shard, content: bytes) -> list[str]:
        time.sleep(self.seconds)
        if source.path(shard.file).endswith(".parquet"):
            return [text or "" for text in table_of(content)["text"].to_pylist()]
        return [(line or b"").decode() for line in lines_of(shard, content)]

    def record(self, text: str) -> dict[str, Any]:
        if text == "none":
            raise InputError("the model gives no number")
        if text == "bad":
            return {"id": text, "error": "bad"}
        even = len(text) % 2 == 0
        share = int(hashlib.sha256(text.encode()).hexdigest()[:4], 16) / 2**16
        return {"id": text, "classes": ["even" if even else "odd"], "probabilities": [share], "error": None}


@dataclasses.dataclass(frozen=True)
class ToyFiles(ToyTexts):
    """Files of a folder; one that is not there is an error."""

    files_are_rows: ClassVar[bool] = True

    def open(self, source: Place) -> Predict:
        def predict(shard: Shard, content: bytes) -> list[dict[str, Any]]:
            names = names_of(shard, content)
            with source.local_copies(names) as paths:
                return [self.file_record(name, path) for name, path in zip(names, paths, strict=True)]

        return predict

    def file_record(self, name: str, path: Path) -> dict[str, Any]:
        if not os.path.exists(path):  # noqa: PTH110 -- the name may be no text
            return {"id": name, "error": f"{name}: no such file"}
        return self.record(path.read_text()) | {"id": name}
