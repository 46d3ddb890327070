"""A recipe's training at its full size on random inputs: without data, and with random weights.

It needs the memory and the time of the recipe itself, which `reprise batch-size` and a benchmark measure.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reprise.core.recipe import TrainParams

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
    from torch.utils.data import Dataset

EXAMPLES = 512  # twice the largest batch that is tried
DOCUMENT_CLASSES = 17
TAXONOMY_CLASSES = 531  # of TaxoClass's hierarchy of products


@dataclasses.dataclass(frozen=True)
class Trial:
    """A training that is ready to run.

    Attributes:
        module: of random weights.
        dataset: EXAMPLES random examples, indexed with whole batches.
    """

    module: "LightningModule"
    dataset: "Dataset[Any]"


def documents_trial(recipe: Any) -> Trial:
    """Pages of noise; one page in memory stands for all."""
    import numpy as np

    from reprise.documents.data.images import cache_size
    from reprise.documents.learning.dataset import PageDataset
    from reprise.documents.learning.learner import make_learner

    side = cache_size(recipe.image_size)
    page = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    pages = np.broadcast_to(page, (EXAMPLES, side, side, 3))
    dataset = PageDataset(pages, np.arange(EXAMPLES) % DOCUMENT_CLASSES, np.arange(EXAMPLES))
    plain = recipe.model_copy(update={"weights": "none", "recalibrate": 0, "probe": 0})
    return Trial(make_learner(plain, dataset, DOCUMENT_CLASSES, 0), dataset)


def taxonomy_trial(recipe: Any) -> Trial:
    """Texts as long as the encoder reads, over a hierarchy of two levels."""
    import numpy as np
    import torch

    from reprise.taxonomy.classifier.learner import Learner, make_dataset
    from reprise.taxonomy.classifier.model import Network
    from reprise.taxonomy.classifier.predictor import make_classifier
    from reprise.taxonomy.data.hierarchy import Hierarchy
    from reprise.taxonomy.zero_shot.encoder import embedding_size, open_encoder, unfreeze_last_layers

    ids = tuple(map(str, range(TAXONOMY_CLASSES)))
    top = TAXONOMY_CLASSES // 20
    edges = tuple((child % top, child) for child in range(top, TAXONOMY_CLASSES))
    hierarchy = Hierarchy(ids, ids, ((),) * TAXONOMY_CLASSES, edges)
    encoder = open_encoder(recipe.encoder, recipe.max_tokens, random_weights=True)
    size = embedding_size(encoder)
    generator = torch.Generator().manual_seed(0)
    classes, mean = torch.randn(TAXONOMY_CLASSES, size, generator=generator), torch.zeros(size)
    if recipe.trained_layers:
        unfreeze_last_layers(encoder, recipe.trained_layers)
    network = Network(make_classifier(recipe, hierarchy, classes, mean), encoder if recipe.trained_layers else None)
    outputs = TAXONOMY_CLASSES if recipe.loss == "bce" else len(hierarchy.leaves)
    targets = torch.zeros(EXAMPLES, outputs)
    targets[torch.arange(EXAMPLES), torch.arange(EXAMPLES) % outputs] = 1
    documents: Any = torch.randn(EXAMPLES, size, generator=generator)
    if recipe.trained_layers:
        documents = ["a " * recipe.max_tokens] * EXAMPLES
    return Trial(Learner(network, recipe, hierarchy), make_dataset(network, documents, targets, np.arange(EXAMPLES)))


def deepfake_trial(recipe: Any) -> Trial:
    """A natural utterance of noise and its spoof, as long as the longest crop, again and again."""
    import numpy as np
    import pandas as pd
    import torch

    from reprise.deepfake.data.audio import RATE
    from reprise.deepfake.data.corpus import Corpus
    from reprise.deepfake.detector.copies import make_copies
    from reprise.deepfake.detector.learner import Learner, make_detector

    longest = recipe.crop_seconds[1]
    plain = recipe.model_copy(
        update={
            "ssl_weights": recipe.ssl_weights and recipe.front_end == "whisper" and not recipe.ssl_config,
            "weights": "none",
            "crop_seconds": (longest, longest),
            "resyntheses": 0,
            "resynthesis_share": 0,
            "speeds": (),
        }
    )
    count = int(longest * RATE)
    audio = np.random.default_rng(0).integers(-9000, 9000, 2 * count).astype(np.int16)
    columns = {"utterance": ["n", "s"], "speaker": ["a", "a"], "attack": ["-", "A01"], "spoof": [False, True]}
    table = pd.DataFrame({**columns, "twin": [-1, 0], "start": [0, count], "samples": [count, count]})
    corpus = Corpus(table, audio)
    detector = make_detector(plain, corpus)
    copies = make_copies(corpus, detector.eval(), plain, 0, "cpu") if detector.framed else []
    learner = Learner(detector.train(), plain, corpus, corpus, 0, copies)
    rows = torch.arange(EXAMPLES) % 2 if not plain.twins else torch.ones(EXAMPLES, dtype=torch.long)
    return Trial(learner, rows)  # type: ignore[arg-type]  # indexed as a Dataset is


TRIALS: dict[str, Callable[[Any], Trial]] = {
    "taxonomy": taxonomy_trial,
    "documents": documents_trial,
    "deepfake": deepfake_trial,
}


def trial_trainer(recipe: TrainParams, accelerator: str, max_steps: int = -1) -> "Trainer":
    """Build a Trainer that trains on one device and writes nothing.

    Args:
        recipe: its precision counts.
        accelerator: Lightning's name.
        max_steps: of the optimiser; -1: no limit.
    """
    from lightning.pytorch import Trainer

    return Trainer(
        accelerator=accelerator,
        devices=1,
        precision=recipe.precision,
        max_steps=max_steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def make_trial(task: str, recipe: TrainParams) -> Trial:
    """Build a task's recipe for random inputs."""
    return TRIALS[task](recipe.model_copy(update={"schedule": "constant", "warmup": 0.0}))
