"""Encoder and classifier as one ONNX graph, for prediction without torch: the counterpart of `classifier.predictor`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from reprise.core.errors import InputError
from reprise.core.files import hash_file
from reprise.onnx.session import ONNX, OnnxDescription, Session, graph_path, read_description
from reprise.taxonomy.classifier.decision import predict_sets
from reprise.taxonomy.data.hierarchy import Hierarchy

GRAPH = "taxonomy"
TOKENIZER = "tokenizer.json"
BATCH = 32  # texts of similar length


class TaxonomyDescription(OnnxDescription):
    """onnx/prediction.json."""

    task: Literal["taxonomy"]
    hierarchy: dict[str, Any]
    loss: Literal["soft", "bce"]  # how logits become probabilities
    evidence_threshold: float  # documents with less are about no class
    max_tokens: Annotated[int, Field(ge=2)]
    max_characters: Annotated[int, Field(ge=2)]  # that the tokenizer is given
    pad_id: int
    pad_type_id: int
    tokenizer: str  # SHA-256 of its file


class OnnxPredictor:
    """Classifies texts.

    Args:
        folder: that `reprise export` wrote.
        threads: of the CPU; 0: all cores.

    Attributes:
        hierarchy: the C classes.

    Raises:
        InputError: a file is missing or damaged, or a package is not installed.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.description = read_description(folder, TaxonomyDescription)
        self.hierarchy = Hierarchy.from_dict(self.description.hierarchy, f"{folder}: hierarchy")
        self.tokenizer = open_tokenizer(folder / ONNX / TOKENIZER, self.description)
        self.session = Session(graph_path(folder, GRAPH), threads)
        self.inputs = {given.name for given in self.session.session.get_inputs()}

    def logits_and_evidence(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, C), and how much each of N texts is about any class at all (N,)."""
        encodings = self.tokenizer.encode_batch([text[: self.description.max_characters] for text in texts])
        order = np.argsort([len(encoding.ids) for encoding in encodings], kind="stable")
        logits = np.zeros((len(texts), len(self.hierarchy)), np.float32)
        evidence = np.zeros(len(texts), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found = self.session.run(self.batch([encodings[row] for row in rows]))
            logits[rows], evidence[rows] = found["logits"], found["evidence"]
        if not np.isfinite(logits).all():
            raise InputError("the classifier's logits are not finite: its weights are damaged")
        return logits, evidence

    def batch(self, encodings: Sequence[Any]) -> dict[str, np.ndarray]:
        """Pad tokenised texts to one length: arrays (B, T) int64 by the names that the graph gives them."""
        longest = max(len(encoding.ids) for encoding in encodings)
        padding = {"input_ids": self.description.pad_id, "token_type_ids": self.description.pad_type_id}
        arrays = {
            name: np.full((len(encodings), longest), padding.get(name, 0), np.int64)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            arrays["input_ids"][row, :length] = encoding.ids
            arrays["attention_mask"][row, :length] = 1
            arrays["token_type_ids"][row, :length] = encoding.type_ids
        return {name: array for name, array in arrays.items() if name in self.inputs}

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities (N, C) that agree with the hierarchy, of logits (N, C)."""
        return probabilities(logits, self.hierarchy, self.description.loss)

    def predict(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (N, C), and predicted classes (N, C) bool, closed under ancestors."""
        logits, evidence = self.logits_and_evidence(texts)
        scores = self.probabilities(logits)
        sets = predict_sets(
            scores[:, self.hierarchy.leaves], evidence, self.description.evidence_threshold, self.hierarchy
        )
        return scores, sets


def open_tokenizer(path: Path, description: TaxonomyDescription) -> Any:
    """Read a tokenizer that cuts texts at max_tokens.

    Raises:
        InputError: the file is missing or damaged, or the package is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise InputError("tokenizers is not installed: pip install tokenizers") from None
    if not path.is_file():
        raise InputError(f"{path}: no such file; export the folder again")
    if hash_file(path) != description.tokenizer:
        raise InputError(f"{path}: does not match its checksum: the file is damaged")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(description.max_tokens)
    tokenizer.no_padding()
    return tokenizer


def probabilities(logits: np.ndarray, hierarchy: Hierarchy, loss: str) -> np.ndarray:
    """Probabilities (N, C) float32 of logits (N, C), as `classifier.model.consistent_probabilities` gives them."""
    from scipy.special import expit, softmax

    if loss == "bce":
        return hierarchy.best_of_descendants(expit(logits))
    masses = softmax(logits[:, hierarchy.leaves], axis=1)  # (N, E)
    return np.minimum(masses @ hierarchy.closure[hierarchy.leaves].astype(np.float32), 1.0)
