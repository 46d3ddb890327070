"""Classify images of pages, as JSON lines.

    python -m reprise.documents.predict page.jpg scans/
    python -m reprise.documents.predict page.jpg --models exported --onnx
    python -m reprise.documents.predict scans/ --to predicted --engine ray

Reads models/documents (or `--models`) alone; with `--onnx` a folder of `reprise export`, without torch. Each image is
one line, in the order in which they are named; the images of a folder come by name. A line holds the class and all
probabilities, or, for an image that cannot be used, its path and the error; the exit code is then 1. `--ask FILE` also
writes a table of the pages that the models are least sure of, to be labelled next. `--sheet FOLDER` also draws how many
pages each class has, how sure the models are, and the surest and the least sure pages. With `--to` a folder of any size
becomes parquet files (`reprise.bulk`).
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprise.bulk.options import Engine, ShardRows, To, Workers, one_source, refuse_bulk_options
from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.files import write_text
from reprise.core.text import json_line
from reprise.documents.least_sure import LeastSure
from reprise.documents.paths import MODELS

if TYPE_CHECKING:
    import numpy as np

    from reprise.documents.network.ensemble import Ensemble
    from reprise.documents.onnx_ensemble import OnnxEnsemble

MAX_MEGAPIXELS = 200.0
BLOCK = 256  # pages at once
WARNINGS = {
    "constant": "the page is of one colour all over",
    "animated": "the file holds several pages, of which the first was read",
}
SHEET_EXAMPLES = 12  # surest, and least sure ones


def main(
    path: Annotated[list[str], typer.Argument(help="An image, or a folder of images; with --to also s3://...")],
    models: Annotated[Path, typer.Option(help="Folder of the trained folds.")] = MODELS,
    folds: Annotated[str | None, typer.Option(help="Folds to average, such as 0,2; all by default.")] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="For reading one image; longer ones are given up.")
    ] = 60.0,
    onnx: Annotated[bool, typer.Option("--onnx", help="Use the folder's ONNX files, without torch.")] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
    ask: Annotated[Path | None, typer.Option(help="CSV file for the pages to label next: the least sure ones.")] = None,
    ask_count: Annotated[int, typer.Option(min=1, help="How many those are.")] = 30,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also draw classes, confidence and example pages there.")
    ] = None,
    to: To = None,
    engine: Engine = None,
    workers: Workers = None,
    shard_rows: ShardRows = None,
) -> None:
    """Classify images of pages, as JSON lines, or as parquet files in a folder."""
    from tqdm import tqdm

    if to is not None:
        if ask is not None or sheet is not None:
            raise InputError("--ask and --sheet do not go with --to")
        from reprise.bulk.run import predict_source
        from reprise.documents.bulk import BulkPages

        task = BulkPages(models.absolute(), folds, seconds, onnx, accelerator)
        predict_source(task, one_source(path), to, engine, workers, shard_rows)
        return
    refuse_bulk_options(engine, workers, shard_rows)
    if sheet is not None and sheet.exists() and not sheet.is_dir():
        raise InputError(f"--sheet {sheet}: not a folder")
    images, failed, least_sure = list_images([Path(each) for each in path]), False, LeastSure(ask_count)
    ensemble = open_onnx(models, folds, accelerator) if onnx else open_torch(models, folds, accelerator)
    records = predict_by(ensemble, images, seconds)
    predicted: list[tuple[str, str, float]] = []  # path, class and its probability
    for record in tqdm(records, total=len(images), unit="page", leave=False, disable=not sys.stderr.isatty()):
        print(json_line(record), flush=True)
        failed = failed or "error" in record
        least_sure.add(record)
        if sheet is not None and "error" not in record:
            predicted.append((record["path"], record["class_name"], record["probability"]))
    if sheet is not None:
        draw_sheet(sheet, predicted, ensemble, seconds)
    if ask is not None:
        write_text(ask, least_sure.csv_text())
    if failed:
        raise typer.Exit(1)


def open_torch(models: Path, folds: str | None, accelerator: str) -> "Ensemble":
    """Read the folds of a folder.

    Raises:
        InputError: no usable model, or an accelerator that this machine lacks.
    """
    from reprise.core.devices import prediction_devices
    from reprise.documents.network.ensemble import choose_folds, load_ensemble

    return choose_folds(load_ensemble(models, prediction_devices(accelerator)[0]), folds)


def open_onnx(models: Path, folds: str | None, accelerator: str, threads: int = 0) -> "OnnxEnsemble":
    """Read the ONNX files of an exported folder; torch is not imported. Threads are those of the CPU; 0: all cores.

    Raises:
        InputError: there are none, they are damaged, or some of the folds alone are asked for.
    """
    from reprise.documents.onnx_ensemble import OnnxEnsemble
    from reprise.onnx.session import refuse_accelerator

    refuse_accelerator(accelerator)
    if folds is not None:
        raise InputError("--onnx averages all folds; --folds does not go with it")
    return OnnxEnsemble(models, threads)


def predict_by(ensemble: "Ensemble | OnnxEnsemble", images: list[Path], seconds: float) -> Iterator[dict[str, Any]]:
    """Predict images block by block, in their order."""
    for start in range(0, len(images), BLOCK):
        yield from predict_block(images[start : start + BLOCK], ensemble, seconds)


def predict_block(paths: list[Path], ensemble: "Ensemble | OnnxEnsemble", seconds: float) -> list[dict[str, Any]]:
    """Make the records of some images: a prediction, or an error."""
    import numpy as np

    from reprise.documents.data.images import Decoded, cache_size, decode

    decoded: dict[int, Decoded] = {}
    records: list[dict[str, Any]] = [{"path": str(path)} for path in paths]
    for index, path in enumerate(paths):
        try:
            with time_limit(seconds):
                decoded[index] = decode(path, cache_size(ensemble.image_size), MAX_MEGAPIXELS)
        except InputError as error:
            records[index]["error"] = str(error)
        except TimeoutError:
            records[index]["error"] = f"{path}: not read within {seconds:g} s"
    if decoded:
        rows = ensemble.probabilities(np.stack([page.pixels for page in decoded.values()]))
        for (index, page), row in zip(decoded.items(), rows, strict=True):
            records[index] |= describe_prediction(row, ensemble, page.handled)
    return records


def describe_prediction(
    row: "np.ndarray", ensemble: "Ensemble | OnnxEnsemble", handled: Sequence[str]
) -> dict[str, Any]:
    """Name a page's class and probabilities (C,), with what was unusual about its file (`images.Decoded`)."""
    best, names = int(row.argmax()), ensemble.classes.names
    warnings = [line for kind, line in WARNINGS.items() if kind in handled]
    return {
        "target": ensemble.classes.targets[best],
        "class_name": names[best],
        "probability": round(float(row[best]), 6),
        "probabilities": dict(zip(names, row.round(6).tolist(), strict=True)),
        **({"warning": "; ".join(warnings)} if warnings else {}),
    }


def draw_sheet(
    folder: Path, predicted: list[tuple[str, str, float]], ensemble: "Ensemble | OnnxEnsemble", seconds: float
) -> None:
    """Draw paths, classes and probabilities of predicted images; the few that are shown are read again."""
    import numpy as np

    from reprise.documents.data.images import cache_size, decode
    from reprise.documents.prediction_plots import draw_predictions

    size = cache_size(ensemble.image_size)
    paths, classes = [path for path, _, _ in predicted], [name for _, name, _ in predicted]

    def picture(row: int) -> np.ndarray:
        try:
            with time_limit(seconds):
                return decode(Path(paths[row]), size, MAX_MEGAPIXELS).pixels
        except (InputError, TimeoutError):
            return np.full((size, size, 3), 200, np.uint8)  # gone since it was predicted: a grey page

    confidences = np.array([probability for _, _, probability in predicted])
    draw_predictions(folder, paths, classes, confidences, ensemble.classes.names, picture, SHEET_EXAMPLES)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # and again: a library may swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def list_images(paths: list[Path]) -> list[Path]:
    """List images, and those under folders in the order of their names.

    Raises:
        InputError: a folder without an image.
    """
    from reprise.documents.data.images import image_files

    return [image for path in paths for image in (image_files(path) if os.path.isdir(path) else [path])]  # noqa: PTH112 -- no error where a name is too long


if __name__ == "__main__":
    run_command(main)
