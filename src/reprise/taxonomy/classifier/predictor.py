"""A trained classifier with all that it takes to use it, from the files of a model folder alone."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from reprise.core.batches import EvalBatchSize, eval_batch_size
from reprise.core.errors import InputError
from reprise.core.files import read_json, read_npy
from reprise.core.models import load_model
from reprise.core.params import Params, parse_params
from reprise.taxonomy.classifier.decision import none_threshold, predict_sets
from reprise.taxonomy.classifier.model import (
    Network,
    TaxonomyClassifier,
    consistent_probabilities,
    document_logits,
)
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.recipe import Recipe
from reprise.taxonomy.zero_shot.encoder import embed, encoder_checksums, open_encoder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Predictor:
    """Classifies documents.

    Args:
        path: a classifier's .safetensors, with its `encoder/` in the same folder.
        devices: to embed texts on.
        batch: texts at once; auto: as many as the recipe trains on.

    Raises:
        InputError: a file is missing or damaged, or does not belong to this task.
    """

    def __init__(self, path: Path, devices: Sequence[str], batch: EvalBatchSize = "auto") -> None:
        tensors, metadata = load_model(path)
        described = describe_model(path, metadata)
        self.recipe, self.evidence_threshold = described.recipe, described.evidence_threshold
        self.hierarchy = Hierarchy.from_dict(described.hierarchy, f"{path}: description: hierarchy")
        self.devices, self.encoder_files = list(devices), described.encoder
        self.batch_size = eval_batch_size(batch, self.recipe.batch_size)
        self.fingerprint, self.encoder_tuned = described.encoder_fingerprint, described.encoder_tuned
        self.encoder_folder = path.parent / "encoder"
        check_encoder(self.encoder_folder, self.encoder_files)
        self.network = self._build_network(path, tensors)
        self.network.load_state_dict(tensors)
        self.network.eval()

    def _build_network(self, path: Path, tensors: dict[str, Tensor]) -> Network:
        """Build the network that the tensors fit; their sizes are compared before memory is taken for it."""
        classes, mean = (tensors.get(f"classifier.{name}") for name in ("class_embeddings", "document_mean"))
        if classes is None or classes.ndim != 2 or len(classes) != len(self.hierarchy):
            raise InputError(f"{path}: expected classifier.class_embeddings with a row for each class")
        if mean is None or mean.ndim != 1:
            raise InputError(f"{path}: expected a vector classifier.document_mean")
        encoder = self.encoder if any(name.startswith("encoder.") for name in tensors) else None
        with torch.device("meta"):
            planned = Network(make_classifier(self.recipe, self.hierarchy, classes, mean), encoder)
        expected = planned.state_dict()
        for name in sorted(expected.keys() ^ tensors.keys()):
            raise InputError(f"{path}: {name!r} is {'missing' if name in expected else 'no tensor of this model'}")
        for name, tensor in expected.items():
            found = tensors[name]
            if found.shape != tensor.shape or found.is_floating_point() != tensor.is_floating_point():
                got = f"{tuple(found.shape)} {found.dtype}"
                raise InputError(
                    f"{path}: {name!r} is {got}; its description needs {tuple(tensor.shape)} {tensor.dtype}"
                )
        network = Network(make_classifier(self.recipe, self.hierarchy, classes, mean), encoder)
        if not torch.equal(network.classifier.edge_index.cpu(), tensors["classifier.edge_index"]):
            raise InputError(f"{path}: its edges are not those of its hierarchy")
        return network

    @cached_property
    def encoder(self) -> "SentenceTransformer":
        """The text encoder; opened when it is asked for, since it takes seconds and embeddings at hand do without."""
        return open_encoder(str(self.encoder_folder), self.recipe.max_tokens, self.devices[0])

    def embed(self, texts: Sequence[str], label: str, at_hand: Path | None = None, cache: bool = True) -> np.ndarray:
        """Embed N documents, (N, D).

        Args:
            texts: the documents.
            label: what the log calls them.
            at_hand: embeddings of the same texts, which are taken where the same untrained encoder made them.
            cache: whether to read and write the cache of embeddings.
        """
        if at_hand is not None and self.network.encoder is None and made_by(self.fingerprint, at_hand):
            embeddings = np.array(read_npy(at_hand))
            if len(embeddings) != len(texts):
                raise InputError(f"{at_hand}: {len(embeddings)} rows for {len(texts)} {label} texts; run `dvc repro`")
            return embeddings
        return embed(self.encoder, texts, self.batch_size, self.devices, label, cache)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Logits (N, C) float32 of document embeddings (N, D).

        Raises:
            InputError: embeddings of another length, or logits that overflow.
        """
        expected = self.network.classifier.document_mean.shape[0]
        if embeddings.shape[1] != expected:
            raise InputError(
                f"{self.encoder_folder}: embeddings of {embeddings.shape[1]}, the classifier takes {expected}"
            )
        logits = document_logits(self.network.classifier, torch.from_numpy(embeddings))
        if not np.isfinite(logits).all():
            raise InputError("the classifier's logits are not finite: its weights are damaged")
        return logits

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities (N, C) that agree with the hierarchy."""
        return consistent_probabilities(logits, self.hierarchy, self.recipe.loss)

    def sets(self, embeddings: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Predicted classes (N, C) bool, closed under ancestors, from embeddings (N, D) and their logits (N, C)."""
        scores = self.probabilities(logits)[:, self.hierarchy.leaves]
        evidence = self.evidence(embeddings, logits)
        return predict_sets(scores, evidence, self.evidence_threshold, self.hierarchy)

    def evidence(self, embeddings: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """How much each document is about any class at all, (N,), on the scale of `evidence_threshold`."""
        return evidence_scores(self.network, embeddings, logits, self.hierarchy).max(axis=1)

    def threshold_for(self, texts: Sequence[str], embeddings: np.ndarray) -> float:
        """Evidence threshold of the network with its present weights, from the training documents."""
        if self.network.encoder is not None:
            embeddings = self.embed(texts, "train")
        return training_threshold(self.network, embeddings, self.recipe, self.hierarchy)

    def metadata(self, threshold: float) -> dict[str, Any]:
        """What is saved beside the weights."""
        return model_metadata(
            self.recipe, self.hierarchy, threshold, self.encoder_files, self.fingerprint, self.encoder_tuned
        )


class _Description(Params):
    """What is saved beside the weights."""

    recipe: Recipe
    hierarchy: dict[str, Any]
    evidence_threshold: float
    encoder: Annotated[dict[str, str], Field(min_length=1)]
    encoder_fingerprint: str
    encoder_tuned: bool = False  # models from before encoders were tuned do not say


def describe_model(path: Path, metadata: dict[str, Any]) -> _Description:
    """Check the metadata of a model, which may come from a stranger.

    Raises:
        InputError: a key is missing, unknown or mistyped.
    """
    needed = {name for name, field in _Description.model_fields.items() if field.is_required()}
    if missing := needed - metadata.keys():
        raise InputError(f"{path}: not a taxonomy classifier: its metadata lacks {', '.join(sorted(missing))}")
    return parse_params(metadata, _Description, f"{path}: description")


def check_encoder(folder: Path, checksums: dict[str, str]) -> None:
    """Refuse an encoder that is not the one a classifier was saved with.

    Raises:
        InputError: a file is missing, or its content differs.
    """
    found = encoder_checksums(folder)
    for name in checksums:
        if name not in found:
            raise InputError(f"{folder / name}: no such file; run `dvc repro`, or `dvc pull` where a remote holds it")
    for name, checksum in found.items():
        if name not in checksums:
            raise InputError(f"{folder / name}: not a file of the encoder that the classifier was saved with")
        if checksums[name] != checksum:
            raise InputError(
                f"{folder / name}: its checksum is not the one in the classifier: damaged, or of another model"
            )


def model_metadata(
    recipe: Recipe,
    hierarchy: Hierarchy,
    threshold: float,
    encoder_files: dict[str, str],
    fingerprint: str,
    tuned: bool,
) -> dict[str, Any]:
    """Describe saved weights, so that they can be used again.

    Args:
        recipe: how they were trained.
        hierarchy: the classes.
        threshold: evidence below which a text is about none of them.
        encoder_files: checksums of the encoder in the same folder.
        fingerprint: of the encoder before training, as `encoder.model_fingerprint` gives it.
        tuned: whether seed documents had tuned it by then.
    """
    description = _Description(
        recipe=recipe,
        hierarchy=hierarchy.to_dict(),
        evidence_threshold=threshold,
        encoder=encoder_files,
        encoder_fingerprint=fingerprint,
        encoder_tuned=tuned,
    )
    return description.model_dump(mode="json")


def make_classifier(
    recipe: Recipe, hierarchy: Hierarchy, class_embeddings: Tensor, document_mean: Tensor
) -> TaxonomyClassifier:
    """Build the classifier that a recipe describes."""
    return TaxonomyClassifier(
        class_embeddings,
        document_mean,
        hierarchy.edges,
        graph=recipe.graph,
        layers=recipe.graph_layers,
        hidden=recipe.graph_hidden,
        dropout=recipe.dropout,
        scale=recipe.logit_scale,
    )


def made_by(fingerprint: str, embeddings: Path) -> bool:
    """Whether the encoder with this fingerprint made the embeddings in a file of the similarity stage."""
    return bool(read_json(embeddings.parent / "encoder.json") == {"fingerprint": fingerprint})


def evidence_scores(network: Network, embeddings: np.ndarray, logits: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """Scores (N, E) that say whether documents are about any class.

    Training finds a class for everything, so the plain cosines of documents and names tell better. Where the two come
    from different encoders, or the encoder was trained, there are only the logits.
    """
    names = network.classifier.class_embeddings.cpu().numpy()
    if network.encoder is not None or names.shape[1] != embeddings.shape[1]:
        return logits[:, hierarchy.leaves]
    return embeddings @ names[hierarchy.leaves].T


def training_threshold(network: Network, embeddings: np.ndarray, recipe: Recipe, hierarchy: Hierarchy) -> float:
    """The evidence below which a text is about none of the classes, from the training documents (N, D)."""
    logits = document_logits(network.classifier, torch.from_numpy(embeddings))
    return none_threshold(evidence_scores(network, embeddings, logits, hierarchy), hierarchy, recipe.abstain_odds)
