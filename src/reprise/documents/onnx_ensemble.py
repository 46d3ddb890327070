"""The trained folds as one ONNX graph, for prediction without torch: the counterpart of `network.ensemble.Ensemble`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from reprise.core.errors import InputError
from reprise.documents.data.tables import Classes
from reprise.onnx.session import OnnxDescription, Session, graph_path, read_description

GRAPH = "documents"
BATCH = 8  # pages: with eight views of each, what the processor's cache holds


class DocumentsDescription(OnnxDescription):
    """onnx/prediction.json."""

    task: Literal["documents"]
    targets: Annotated[tuple[str, ...], Field(min_length=2)]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    image_size: int  # of the networks
    page_size: int  # of the graph's input


class OnnxEnsemble:
    """All folds, views and the temperature in one graph.

    Args:
        folder: that `reprise export` wrote.
        threads: of the CPU; 0: all cores.

    Attributes:
        classes: the C classes.
        image_size: what the networks see.

    Raises:
        InputError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        description = read_description(folder, DocumentsDescription)
        self.classes = Classes(description.targets, description.classes)
        self.image_size = description.image_size
        self.session = Session(graph_path(folder, GRAPH), threads)

    def probabilities(self, pages: np.ndarray) -> np.ndarray:
        """Class probabilities (N, C) of stored pages (N, S', S', 3) uint8.

        Raises:
            InputError: one is not finite.
        """
        batches: Sequence[np.ndarray] = [
            self.session.run({"pages": pages[start : start + BATCH]})["probabilities"]
            for start in range(0, len(pages), BATCH)
        ]
        probabilities = np.concatenate(batches)
        if not np.isfinite(probabilities).all():
            raise InputError("the classifier's probabilities are not finite: its graph is damaged")
        return probabilities
