"""Pages of any number, from a folder on a disk or in an object store: what `reprise predict documents --to` makes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reprise.bulk.job import Predict
from reprise.bulk.listing import names_of
from reprise.bulk.storage import Place
from reprise.documents.data.images import EXTENSIONS
from reprise.documents.predict import BLOCK, open_onnx, open_torch, predict_block

if TYPE_CHECKING:
    import pyarrow as pa

    from reprise.documents.network.ensemble import Ensemble
    from reprise.documents.onnx_ensemble import OnnxEnsemble


@dataclasses.dataclass(frozen=True)
class BulkPages:
    """How pages are predicted; `reprise.bulk.job.BulkTask` says what the attributes of all tasks mean.

    Attributes:
        models: folder of the trained folds.
        folds: to average, such as 0,2; None: all.
        seconds: for reading one image.
        onnx: use the folder's ONNX files.
    """

    models: Path
    folds: str | None
    seconds: float
    onnx: bool
    accelerator: str

    name: ClassVar[str] = "documents"
    shard_rows: ClassVar[int] = 1_000
    files_are_rows: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = EXTENSIONS
    columns: ClassVar[list[str]] = []

    def settings(self) -> dict[str, Any]:
        return {"folds": self.folds, "onnx": self.onnx}

    def schema(self) -> "pa.Schema":
        """The class of a page, and all classes by falling probability."""
        import pyarrow as pa

        return pa.schema(
            [
                ("id", pa.string()),
                ("target", pa.string()),
                ("class_name", pa.string()),
                ("classes", pa.list_(pa.string())),
                ("probabilities", pa.list_(pa.float64())),
                ("warning", pa.string()),
                ("error", pa.string()),
            ]
        )

    def open(self, source: Place) -> Predict:
        source.refuse_missing_folder()
        ensemble: Ensemble | OnnxEnsemble
        if self.onnx:
            ensemble = open_onnx(self.models, self.folds, self.accelerator, threads=1)
        else:
            import torch

            torch.set_num_threads(1)
            ensemble = open_torch(self.models, self.folds, self.accelerator)
        return lambda shard, content: self.predict(ensemble, source, names_of(shard, content))

    def predict(self, ensemble: "Ensemble | OnnxEnsemble", source: Place, names: Sequence[str]) -> list[dict[str, Any]]:
        """Make the records of pages, block by block."""
        records = []
        for start in range(0, len(names), BLOCK):
            block = names[start : start + BLOCK]
            with source.local_copies(block) as paths:
                found = predict_block(paths, ensemble, self.seconds)
            records += [columns(name, record) for name, record in zip(block, found, strict=True)]
        return records


def columns(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """A page's record by columns; errors name the page, not where it was copied to."""
    if (error := record.get("error")) is not None:
        return {"id": name, "error": error.replace(record["path"], name)}
    ranked = sorted(record["probabilities"].items(), key=lambda item: -item[1])
    return {
        "id": name,
        "target": record["target"],
        "class_name": record["class_name"],
        "classes": [name for name, _ in ranked],
        "probabilities": [probability for _, probability in ranked],
        "warning": record.get("warning"),
        "error": None,
    }
