"""A trained classifier with all that it takes to use it, from the files of a model folder alone."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from reprise.core.errors import InputError
from reprise.core.files import read_json, read_npy
from reprise.core.models import load_model
from reprise.core.params import parse_params
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

    Raises:
        InputError: a file is missing or damaged, or does not belong to this task.
    """

    def __init__(self, path: Path, devices: Sequence[str]) -> None:
        tensors, metadata = load_model(path)
        if not {"recipe", "hierarchy", "evidence_threshold", "encoder", "encoder_fingerprint"} <= metadata.keys():
            raise InputError(f"{path}: not a taxonomy classifier: its metadata holds {', '.join(metadata)}")
        self.recipe = parse_params(metadata["recipe"], Recipe, f"{path}: recipe")
        self.hierarchy = Hierarchy.from_dict(metadata["hierarchy"])
        self.evidence_threshold = float(metadata["evidence_threshold"])
        self.devices, self.encoder_files = list(devices), metadata["encoder"]
        self.fingerprint = metadata["encoder_fingerprint"]
        self.encoder_folder = path.parent / "encoder"
        check_encoder(self.encoder_folder, self.encoder_files)
        trained_encoder = any(name.startswith("encoder.") for name in tensors)
        classifier = make_classifier(
            self.recipe, self.hierarchy, tensors["classifier.class_embeddings"], tensors["classifier.document_mean"]
        )
        self.network = Network(classifier, self.encoder if trained_encoder else None)
        self.network.load_state_dict(tensors)
        self.network.eval()

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
            return np.array(read_npy(at_hand))
        return embed(self.encoder, texts, self.recipe.batch_size, self.devices, label, cache)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Logits (N, C) float32 of document embeddings (N, D)."""
        return document_logits(self.network.classifier, torch.from_numpy(embeddings))

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
        """Evidence threshold of the network as it stands, from the training documents."""
        if self.network.encoder is not None:
            embeddings = self.embed(texts, "train")
        return training_threshold(self.network, embeddings, self.recipe, self.hierarchy)

    def metadata(self, threshold: float) -> dict[str, Any]:
        """What is saved beside the weights."""
        return model_metadata(self.recipe, self.hierarchy, threshold, self.encoder_files, self.fingerprint)


def check_encoder(folder: Path, checksums: dict[str, str]) -> None:
    """Refuse an encoder that is not the one a classifier was saved with.

    Raises:
        InputError: a file is missing, or its content differs.
    """
    found = encoder_checksums(folder)
    for name, checksum in checksums.items():
        if name not in found:
            raise InputError(f"{folder / name}: no such file; run `dvc repro`, or `dvc pull` where a remote holds it")
        if found[name] != checksum:
            raise InputError(
                f"{folder / name}: its checksum is not the one in the classifier: damaged, or of another model"
            )


def model_metadata(
    recipe: Recipe, hierarchy: Hierarchy, threshold: float, encoder_files: dict[str, str], fingerprint: str
) -> dict[str, Any]:
    """What makes saved weights usable.

    Args:
        recipe: how they were made.
        hierarchy: the classes.
        threshold: evidence under which a text is about none of them.
        encoder_files: checksums of the encoder in the same folder.
        fingerprint: of the encoder before training, as `encoder.model_fingerprint` gives it.
    """
    return {
        "encoder": encoder_files,
        "encoder_fingerprint": fingerprint,
        "recipe": recipe.model_dump(mode="json"),
        "hierarchy": hierarchy.to_dict(),
        "evidence_threshold": threshold,
    }


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
    return bool(read_json(embeddings.parent / "encoder.json")["fingerprint"] == fingerprint)


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
