"""Recordings of any number, from a folder on a disk or in an object store: for `reprise predict deepfake --to`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from reprise.bulk.job import Predict
from reprise.bulk.listing import names_of
from reprise.bulk.storage import Place
from reprise.core.errors import InputError
from reprise.deepfake.data.audio import EXTENSIONS
from reprise.deepfake.paths import Mode
from reprise.deepfake.predict import Judge, OnnxJudge, judge_recording, load_judge, load_onnx_judge

if TYPE_CHECKING:
    import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class BulkRecordings:
    """How recordings are judged; `reprise.bulk.job.BulkTask` says what the attributes of all tasks mean.

    Attributes:
        models: folder of detector and explainers.
        explainer: whose importance; None: the published one's.
        take_damaged: whether what can be read of a damaged file is judged.
        time_limit: seconds to give a file.
        onnx: use the folder's ONNX files.
    """

    models: Path
    explainer: Mode | None
    take_damaged: bool
    time_limit: float
    onnx: bool
    accelerator: str

    name: ClassVar[str] = "deepfake"
    shard_rows: ClassVar[int] = 100
    files_are_rows: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = EXTENSIONS
    columns: ClassVar[list[str]] = []

    def settings(self) -> dict[str, Any]:
        return {"explainer": self.explainer, "take_damaged": self.take_damaged, "onnx": self.onnx}

    def schema(self) -> "pa.Schema":
        """The decision, both classes by falling probability, and the moments of highest importance."""
        import pyarrow as pa

        moment = pa.struct([("seconds", pa.float64()), ("importance", pa.float64())])
        return pa.schema(
            [
                ("id", pa.string()),
                ("decision", pa.string()),
                ("classes", pa.list_(pa.string())),
                ("probabilities", pa.list_(pa.float64())),
                ("score", pa.float64()),
                ("seconds", pa.float64()),
                ("top_moments", pa.list_(moment)),
                ("damage", pa.string()),
                ("error", pa.string()),
            ]
        )

    def open(self, source: Place) -> Predict:
        source.refuse_missing_folder()
        options = (self.models, self.explainer, self.accelerator, self.take_damaged, self.time_limit)
        judge = load_onnx_judge(*options, threads=1) if self.onnx else load_judge(*options)
        return lambda shard, content: self.predict(judge, source, names_of(shard, content))

    def predict(self, judge: Judge | OnnxJudge, source: Place, names: Sequence[str]) -> list[dict[str, Any]]:
        """Make the records of recordings, one at a time: they may be long."""
        records = []
        for name in names:
            with source.local_copies([name]) as (path,):
                try:
                    record, _, _ = judge_recording(path, judge, keep=False)
                except InputError as error:
                    records.append({"id": name, "error": str(error).replace(str(path), name)})
                    continue
            records.append(columns(name, record))
        return records


def columns(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """A recording's record by columns."""
    spoof = record["spoof_probability"]
    ranked = sorted({"spoof": spoof, "bonafide": round(1 - spoof, 6)}.items(), key=lambda item: -item[1])
    return {
        "id": name,
        "classes": [label for label, _ in ranked],
        "probabilities": [probability for _, probability in ranked],
        "error": None,
        **{key: record.get(key) for key in ("decision", "score", "seconds", "top_moments", "damage")},
    }
