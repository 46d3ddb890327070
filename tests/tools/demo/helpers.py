"""Untrained models, a few pages and recordings: all that the demo's tabs compute with."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reprise.core.files import hash_file, write_json, write_npy, write_parquet
from reprise.core.models import save_model, write_checked_json
from reprise.core.params import parse_params
from reprise.deepfake.data.corpus import Corpus, write_corpus
from reprise.documents.data.images import cache_size
from reprise.documents.data.tables import Classes
from reprise.documents.network.ensemble import save_fold
from reprise.documents.network.model import build_network, count_outputs
from reprise.documents.paths import CLASSES, ENSEMBLE, IMAGES, PAGES, PREPARED, fold_path
from reprise.taxonomy.classifier.model import Network
from reprise.taxonomy.classifier.predictor import make_classifier, model_metadata
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.recipe import Recipe
from reprise.taxonomy.zero_shot.encoder import embed, encoder_checksums, model_fingerprint, open_encoder, save_encoder
from tests.conftest import read_params
from tests.deepfake.helpers import make_corpus
from tests.documents.helpers import KINDS, draw_page, tiny_recipe

HIERARCHY = Hierarchy(
    ids=("0", "1", "2", "3", "4", "5"),
    names=("home", "garden", "kettle", "teapot", "hose", "spade"),
    keywords=((), (), ("boils water",), (), (), ()),
    edges=((0, 2), (0, 3), (1, 4), (1, 5), (0, 4)),
)


def write_texts(folder: Path, encoder_folder: Path, threshold: float = -10.0) -> None:
    """Write a classifier that starts as the zero-shot one, of a random encoder."""
    taxonomy = read_params()["taxonomy"]
    small = {"encoder": str(encoder_folder), "max_tokens": 24, "graph_hidden": 16}
    recipe = parse_params(taxonomy["train"] | small, Recipe, "tiny")
    encoder = open_encoder(recipe.encoder, recipe.max_tokens)
    names = torch.from_numpy(embed(encoder, HIERARCHY.names, 8, ["cpu"], "class", cache=False))
    torch.manual_seed(0)
    network = Network(make_classifier(recipe, HIERARCHY, names, names.mean(0)), None)
    save_encoder(encoder, folder / "encoder")
    checksums = encoder_checksums(folder / "encoder")
    metadata = model_metadata(recipe, HIERARCHY, threshold, checksums, model_fingerprint(encoder), tuned=False)
    save_model(folder / "self_trained.safetensors", network.state_dict(), metadata)


def write_pages(models: Path, orientation: str = "recognise", folds: int = 2) -> None:
    """Write an untrained ensemble."""
    recipe = tiny_recipe(model="test_resnet", image_size=32, orientation=orientation)
    for fold in range(folds):
        torch.manual_seed(fold)
        network = build_network(recipe, len(KINDS)).eval()
        facts = {"fold": fold, "best_epoch": 1}
        save_fold(fold_path(fold, models), network, recipe, Classes(("0", "1", "2"), KINDS), facts)
    assert count_outputs(recipe, 3) == (4 if orientation == "recognise" else 3)
    weights = {str(fold): hash_file(fold_path(fold, models)) for fold in range(folds)}
    ensemble = {"folds": list(range(folds)), "weights": weights, "temperature": 0.7, "views": "turns_and_flips"}
    write_checked_json(models / ENSEMBLE, ensemble)


def write_prepared_pages(count: int = 9) -> np.ndarray:
    """Write prepared training pages of the three kinds in turn; returns them as they are stored."""
    size = cache_size(32)
    stored = np.stack([np.asarray(draw_page(KINDS[number % 3], number, size)) for number in range(count)])
    write_npy(PREPARED / IMAGES, stored)
    names = [f"{KINDS[number % 3]}{number}.png" for number in range(count)]
    table = pd.DataFrame({"id": names, "file": names, "target": [number % 3 for number in range(count)]})
    write_parquet(PREPARED / PAGES, table)
    write_json(PREPARED / CLASSES, {"targets": ["0", "1", "2"], "names": list(KINDS)})
    return stored


def write_prepared_speech(folder: Path) -> tuple[Corpus, Corpus]:
    """Write prepared recordings of train and dev."""
    splits = make_corpus(8, 1.2, seed=1), make_corpus(8, 1.2, seed=2)
    for name, corpus in zip(("train", "dev"), splits, strict=True):
        write_corpus(folder / name, corpus.table, corpus.audio)
    return splits
