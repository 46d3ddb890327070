"""Classify images of pages, as JSON lines.

    python -m reprise.documents.predict page.jpg scans/

Reads models/documents (or `--models`) alone. Each image is a line with its class and all probabilities, in the order in
which they are named; the images of a folder come by name.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.documents.paths import MODELS

if TYPE_CHECKING:
    import numpy as np

MAX_MEGAPIXELS = 200.0
BLOCK = 256  # pages at once


def main(
    path: Annotated[list[Path], typer.Argument(help="An image, or a folder of images.")],
    models: Annotated[Path, typer.Option(help="Folder of the trained folds.")] = MODELS,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
) -> None:
    """Classify images of pages, as JSON lines."""
    for record in predict_images(path, models, accelerator):
        print(json.dumps(record, ensure_ascii=False, allow_nan=False), flush=True)


def predict_images(named: list[Path], models: Path, accelerator: str) -> Iterator[dict[str, Any]]:
    """Predict images block by block, in the order in which they are named."""
    import numpy as np

    from reprise.core.devices import prediction_devices
    from reprise.core.processes import in_turns, rank
    from reprise.documents.data.images import cache_size, decode
    from reprise.documents.network.ensemble import load_ensemble

    paths = list_images(named)
    ensemble = load_ensemble(models, prediction_devices(accelerator)[0])
    size = cache_size(ensemble.image_size)

    def block_probabilities(block: list[Path]) -> "np.ndarray":
        return ensemble.probabilities(np.stack([decode(path, size, MAX_MEGAPIXELS).pixels for path in block]))

    blocks = [paths[start : start + BLOCK] for start in range(0, len(paths), BLOCK)]
    rows = (row for block in in_turns(blocks, block_probabilities) for row in block)
    for path, row in zip(paths, rows, strict=rank() == 0):  # rows come to the first process alone
        best = int(row.argmax())
        yield {
            "path": str(path),
            "target": ensemble.classes.targets[best],
            "class_name": ensemble.classes.names[best],
            "probability": round(float(row[best]), 6),
            "probabilities": dict(zip(ensemble.classes.names, np.round(row, 6).tolist(), strict=True)),
        }


def list_images(paths: list[Path]) -> list[Path]:
    """List images, and those under folders in the order of their names.

    Raises:
        InputError: a folder without an image.
    """
    from reprise.documents.data.images import EXTENSIONS

    images: list[Path] = []
    for path in paths:
        if not path.is_dir():
            images.append(path)
            continue
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file())
        if not found:
            raise InputError(f"{path}: no image in it; known extensions are {', '.join(EXTENSIONS)}")
        images += found
    return images


if __name__ == "__main__":
    run_command(main)
