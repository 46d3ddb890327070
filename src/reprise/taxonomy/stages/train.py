"""Train the classifier on the silver labels.

    python src/run.py taxonomy.train

Reads models/taxonomy/recipe.yaml and data/taxonomy/{prepared,embeddings,silver}; writes models/taxonomy/encoder (the
text encoder as it came), models/taxonomy/classifier.safetensors (with the encoder's weights where those were trained)
and metrics/taxonomy/train (DVCLive). With a frozen encoder, embeddings are read, not computed: seconds.
"""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reprise.core.devices import torch_devices
from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, hash_file, read_json, read_npy, read_parquet
from reprise.core.models import save_model
from reprise.core.params import Hardware, load_params, load_value
from reprise.core.processes import rank
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.core.weights import load_weights
from reprise.taxonomy.classifier.learner import Learner, Network, core_labels, make_loaders, unfreeze_last_layers
from reprise.taxonomy.classifier.predictor import made_by, make_classifier, model_metadata, training_threshold
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.data.silver import read_core_classes
from reprise.taxonomy.recipe import TASK, Recipe
from reprise.taxonomy.zero_shot.encoder import embed, encoder_checksums, open_encoder, save_encoder
from reprise.training.fit import fit

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger("reprise")

PREPARED = Path("data/taxonomy/prepared")
EMBEDDINGS = Path("data/taxonomy/embeddings")
SILVER = Path("data/taxonomy/silver")
MODELS = Path("models/taxonomy")
LIVE = Path("metrics/taxonomy/train")
TIMING = Path("metrics/taxonomy/timing/train.json")


def main() -> None:
    """Run the stage."""
    recipe, seed = read_recipe(TASK, Recipe), load_value("seed")
    hardware = load_params("hardware", Hardware)
    use_deterministic_kernels(hardware.threads)
    hierarchy = Hierarchy.from_dict(read_json(PREPARED / "hierarchy.json"))
    with timed(TIMING) as figures:
        seed_everything(derive_seed(seed, "taxonomy-train"))
        encoder = open_recipe_encoder(recipe, hardware)
        if rank() == 0:
            save_encoder(encoder, MODELS / "encoder")
        texts = read_parquet(PREPARED / "train.parquet")["text"].tolist()
        embeddings = training_embeddings(recipe, encoder, texts, hardware)
        network = build_network(recipe, hierarchy, encoder, embeddings.mean(axis=0))
        core = read_core_classes(SILVER / "core_classes.parquet", hierarchy)
        targets = core_labels(core, hierarchy) if recipe.loss == "bce" else np.array(read_npy(SILVER / "posterior.npy"))
        labelled = np.asarray((targets > 0).any(axis=1))
        train, valid = split_documents(labelled, recipe.valid_fraction, seed)
        documents = texts if recipe.trained_layers else torch.from_numpy(embeddings)
        loaders = make_loaders(network, documents, torch.from_numpy(targets), (train, valid), recipe, seed, hardware)
        result = fit(
            Learner(network, recipe, hierarchy, recipe.loss, recipe.lr),
            *loaders,
            settings=recipe,
            hardware=hardware,
            seed=seed,
            name="taxonomy-train",
            fingerprint=input_fingerprint(texts),
            live_folder=LIVE,
            summary={**label_counts(core, hierarchy), "train_samples": len(train), "val_samples": len(valid)},
        )
        network.eval()
        if network.encoder is not None:
            embeddings = embed(network.encoder, texts, recipe.batch_size, torch_devices(hardware), "train")
        threshold = training_threshold(network, embeddings, recipe, hierarchy)
        metadata = model_metadata(recipe, hierarchy, threshold, encoder_checksums(MODELS / "encoder"))
        save_model(MODELS / "classifier.safetensors", network.state_dict(), metadata)
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    logger.info("best epoch %d, valid_loss %.4f", result.best_epoch + 1, result.best_score)


def open_recipe_encoder(recipe: Recipe, hardware: Hardware) -> "SentenceTransformer":
    """Open the recipe's encoder on the first device, with its own weights or, by `weights: none`, random ones."""
    return open_encoder(recipe.encoder, recipe.max_tokens, torch_devices(hardware)[0], recipe.weights == "none")


def training_embeddings(
    recipe: Recipe, encoder: "SentenceTransformer", texts: list[str], hardware: Hardware
) -> np.ndarray:
    """Embeddings (N, D) of the training documents: those at hand, where the same encoder made them."""
    if made_by(recipe, EMBEDDINGS / "train.npy"):
        return np.array(read_npy(EMBEDDINGS / "train.npy"))
    return embed(encoder, texts, recipe.batch_size, torch_devices(hardware), "train")


def build_network(
    recipe: Recipe, hierarchy: Hierarchy, encoder: "SentenceTransformer", document_mean: np.ndarray
) -> Network:
    """Make what is trained: the classifier, with the encoder where the recipe trains layers of it."""
    class_embeddings = torch.from_numpy(np.array(read_npy(EMBEDDINGS / "classes.npy")))
    classifier = make_classifier(recipe, hierarchy, class_embeddings, torch.from_numpy(document_mean))
    if recipe.trained_layers:
        unfreeze_last_layers(encoder, recipe.trained_layers)
    network = Network(classifier, encoder if recipe.trained_layers else None)
    if recipe.weights not in ("hub", "none"):
        load_weights(network, Path(recipe.weights))
    return network


def split_documents(labelled: np.ndarray, valid_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows that have a silver label into training and validation rows, at random.

    Args:
        labelled: (N,) bool.
        valid_fraction: of them, at least one document.
        seed: draws the split.
    """
    rows = np.random.default_rng(derive_seed(seed, "taxonomy-split")).permutation(np.flatnonzero(labelled))
    if len(rows) < 2:
        raise InputError(f"{SILVER}: {len(rows)} documents have a silver label; training takes at least 2")
    count = max(1, round(valid_fraction * len(rows)))
    return np.sort(rows[count:]), np.sort(rows[:count])


def label_counts(core: np.ndarray, hierarchy: Hierarchy) -> dict[str, Any]:
    """Count the labels that core classes make, over the documents that have one."""
    labels = core_labels(core[core.any(axis=1)], hierarchy)
    return {"num_positive_labels": int((labels == 1).sum()), "num_negative_labels": int((labels == 0).sum())}


def input_fingerprint(texts: list[str]) -> str:
    """Hash of the inputs that decide the result beside recipe, seed and code."""
    files = [EMBEDDINGS / "classes.npy", EMBEDDINGS / "train.npy", SILVER / "posterior.npy"]
    return hash_bytes(
        *(hash_file(path).encode() for path in [*files, SILVER / "core_classes.parquet"]), json.dumps(texts).encode()
    )
