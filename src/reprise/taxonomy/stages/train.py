"""Train the classifier on the silver labels.

    python src/run.py taxonomy.train

Reads models/taxonomy/recipe.yaml and data/taxonomy/{prepared,embeddings,silver}; writes models/taxonomy/encoder,
models/taxonomy/classifier.safetensors (which repeats the encoder's weights where the recipe trains them) and
metrics/taxonomy/train (DVCLive). With a frozen encoder the embeddings are read, not computed.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from reprise.core.batches import eval_batch_size
from reprise.core.devices import torch_devices
from reprise.core.files import read_npy
from reprise.core.models import save_model
from reprise.core.params import Hardware, LogParams, load_params, load_seed
from reprise.core.processes import goes_on_alone
from reprise.core.recipe import read_recipe
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.core.weights import read_state_dict
from reprise.taxonomy import paths
from reprise.taxonomy.classifier.checkpoint import (
    build_network,
    check_checkpoint,
    complete_checkpoint,
    refuse_tuned,
    weights_file,
)
from reprise.taxonomy.classifier.learner import (
    Learner,
    class_counts,
    core_labels,
    label_counts,
    make_dataset,
    sharpen,
    split_documents,
)
from reprise.taxonomy.classifier.predictor import made_by, model_metadata, training_threshold
from reprise.taxonomy.data.corpus import read_core_classes, read_texts
from reprise.taxonomy.data.hierarchy import Hierarchy, load_hierarchy
from reprise.taxonomy.recipe import TASK, Recipe
from reprise.taxonomy.zero_shot.encoder import (
    embed,
    encoder_checksums,
    model_fingerprint,
    open_encoder,
    save_encoder,
)
from reprise.taxonomy.zero_shot.tuning import apply_tuning
from reprise.training.fit import Run, fit
from reprise.training.sampler import epoch_loader

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger("reprise")

INPUTS = (
    paths.HIERARCHY,
    paths.corpus_path("train"),
    paths.SEEDS,
    paths.embeddings_path("train"),
    paths.embeddings_path("classes"),
    paths.SILVER,
)


def main() -> None:
    recipe, seed = read_recipe(TASK, Recipe), load_seed()
    hardware, log = load_params("hardware", Hardware), load_params("log", LogParams)
    use_deterministic_kernels(hardware.threads)
    weights = weights_file(recipe)
    state = None if weights is None else read_state_dict(weights)
    hierarchy = load_hierarchy(paths.HIERARCHY)
    if state is not None and weights is not None:
        state = complete_checkpoint(state, hierarchy, weights)
        refuse_tuned(weights, state)
    with timed(paths.timing_path("train")) as figures:
        seed_everything(derive_seed(seed, "taxonomy-train"))
        device = torch_devices(hardware)[0]
        encoder = open_encoder(recipe.encoder, recipe.max_tokens, device, random_weights=recipe.weights == "none")
        class_embeddings = np.array(read_npy(paths.embeddings_path("classes")))
        if state is not None and weights is not None:
            check_checkpoint(state, recipe, hierarchy, encoder, class_embeddings.shape[1], weights)
        # Weights to start from were trained on the embeddings of the encoder as it comes, or bring their own.
        tuned = state is None and apply_tuning(encoder, paths.TUNING)
        fingerprint = model_fingerprint(encoder)
        texts = read_texts(paths.corpus_path("train"))
        embeddings = training_embeddings(recipe, encoder, fingerprint, texts, hardware)
        network = build_network(recipe, hierarchy, encoder, class_embeddings, embeddings.mean(axis=0), state)
        seeds = np.asarray(read_core_classes(paths.SEEDS, hierarchy).any(axis=1))
        core = read_core_classes(paths.CORE_CLASSES, hierarchy)
        targets = make_targets(recipe, core, hierarchy)
        train, valid = split_documents(np.asarray((targets > 0).any(axis=1)), seeds, recipe.valid_fraction, seed)
        documents = texts if recipe.trained_layers else torch.from_numpy(embeddings)
        datasets = [make_dataset(network, documents, torch.from_numpy(targets), rows) for rows in (train, valid)]
        result = fit(
            Learner(network, recipe, hierarchy),
            epoch_loader(datasets[0], recipe.batch_size, seed, workers=hardware.workers),
            epoch_loader(datasets[1], recipe.batch_size, seed, shuffle=False, workers=hardware.workers),
            Run(
                name="taxonomy-train",
                params=recipe,
                hardware=hardware,
                log=log,
                seed=seed,
                inputs=[*INPUTS, fingerprint, *([weights] if weights is not None else [])],
                live_folder=paths.METRICS / "train",
                summary={**label_counts(core, hierarchy), "train_samples": len(train), "val_samples": len(valid)},
                model=network,
                labels=class_counts(core[train], hierarchy),
                configuration=f"{Path(recipe.encoder).name}-{recipe.graph}-{recipe.graph_layers}",
            ),
        )
        if not goes_on_alone():
            return
        network.eval()
        if network.encoder is not None:
            embeddings = embed_all(recipe, network.encoder, texts, hardware)
        threshold = training_threshold(network, embeddings, recipe, hierarchy)
        save_encoder(encoder, paths.ENCODER)
        checksums = encoder_checksums(paths.ENCODER)
        metadata = model_metadata(recipe, hierarchy, threshold, checksums, fingerprint, tuned)
        save_model(paths.TRAINED, network.state_dict(), metadata)
        figures["epochs"] = len(result.history)
    result.discard_checkpoints()
    logger.info("best epoch %d, valid_loss %.4f", result.best_epoch, result.best["valid_loss"])


def make_targets(recipe: Recipe, core: np.ndarray, hierarchy: Hierarchy) -> np.ndarray:
    """Targets of the recipe's loss, float32: labels of the classes (N, C) for `bce`, else a posterior (N, E).

    Args:
        recipe: loss and target_power.
        core: core classes (N, C) bool.
        hierarchy: the C classes, E of them leaves.
    """
    if recipe.loss == "bce":
        return core_labels(core, hierarchy)
    return sharpen(read_npy(paths.POSTERIOR), recipe.target_power)


def training_embeddings(
    recipe: Recipe, encoder: "SentenceTransformer", fingerprint: str, texts: list[str], hardware: Hardware
) -> np.ndarray:
    """Embeddings (N, D) of the training documents: those of the similarity stage, where the same encoder made them."""
    path = paths.embeddings_path("train")
    if made_by(fingerprint, path):
        return np.array(read_npy(path))
    return embed_all(recipe, encoder, texts, hardware)


def embed_all(recipe: Recipe, encoder: "SentenceTransformer", texts: list[str], hardware: Hardware) -> np.ndarray:
    """Embed the training documents, (N, D)."""
    size = eval_batch_size(hardware.eval_batch_size, recipe.batch_size)
    return embed(encoder, texts, size, torch_devices(hardware), "train")
