"""Self-training: the classifier learns from targets that its own predictions make.

    python src/run.py taxonomy.self_train

Reads models/taxonomy/{encoder,classifier.safetensors}, whose recipe it goes on with, the training documents, which of
them a person labelled, and their embeddings; writes models/taxonomy/self_trained.safetensors and
metrics/taxonomy/self_train (DVCLive, one step an iteration).

An iteration draws targets for all documents, then trains on some batches. Two targets: `paper`, TaxoClass's (Shen et
al., NAACL 2021, equation 7), which squares probabilities and divides by class frequency; and `neighbours`, the
predictions mixed with those of the nearest documents. The documents that a person labelled have their classes as
targets. After each iteration the model is judged without a label by the mutual information of two views
(classifier/self_training.py), which the metrics call `shared_information`. The best iteration is published where that
has grown by `least_gain`, else the classifier as it was: self-training improves bad classifiers and blurs good ones,
and no measure without labels tells small gains from small losses.
"""

import logging

import numpy as np
import torch
from scipy.sparse import csr_array

from reprise.core.devices import torch_devices
from reprise.core.models import save_model
from reprise.core.params import Hardware, LogParams, load_params, load_seed
from reprise.core.processes import goes_on_alone
from reprise.core.seed import derive_seed, seed_everything, use_deterministic_kernels
from reprise.core.stage import timed
from reprise.taxonomy import paths
from reprise.taxonomy.classifier.learner import make_dataset
from reprise.taxonomy.classifier.predictor import Predictor
from reprise.taxonomy.classifier.self_learner import SelfLearner, SelfTrainParams
from reprise.taxonomy.classifier.self_training import WordView, draw_voters, neighbour_weights
from reprise.taxonomy.data.corpus import read_core_classes, read_texts
from reprise.taxonomy.recipe import Recipe
from reprise.training.fit import Run, fit
from reprise.training.sampler import epoch_loader

logger = logging.getLogger("reprise")

INPUTS = (paths.TRAINED, paths.corpus_path("train"), paths.SEEDS, paths.embeddings_path("train"))


def main() -> None:
    params = load_params("taxonomy.self_train", SelfTrainParams)
    hardware, seed = load_params("hardware", Hardware), load_seed()
    log = load_params("log", LogParams)
    use_deterministic_kernels(hardware.threads)
    with timed(paths.timing_path("self_train")):
        predictor = Predictor(paths.TRAINED, torch_devices(hardware), hardware.eval_batch_size)
        network = predictor.network
        recipe = self_train_recipe(predictor.recipe, params)
        texts = read_texts(paths.corpus_path("train"))
        embeddings = predictor.embed(texts, "train", at_hand=paths.embeddings_path("train"))
        documents = texts if network.encoder else torch.from_numpy(embeddings)
        dataset = make_dataset(network, documents, torch.arange(len(texts)), np.arange(len(texts)))
        votes = find_votes(embeddings, params, seed) if params.target == "neighbours" else None
        hierarchy = predictor.hierarchy
        seeds = hierarchy.close_upwards(read_core_classes(paths.SEEDS, hierarchy))
        learner = SelfLearner(network, recipe, params, hierarchy, WordView(texts, seed), votes, seeds)
        learner.start_from(predictor.probabilities(predictor.logits(embeddings)))
        start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        before = learner.mutual_information()
        logger.info("mutual information of the two views before self-training: %.4f nats", before)
        seed_everything(derive_seed(seed, "taxonomy-self-train"))
        order_seed, size = derive_seed(seed, "taxonomy-self-train"), recipe.batch_size
        result = fit(
            learner,
            epoch_loader(dataset, size, order_seed, batches=params.batches_per_iteration, workers=hardware.workers),
            epoch_loader(dataset, size, order_seed, shuffle=False, workers=hardware.workers),
            Run(
                name="taxonomy-self-train",
                params=recipe,
                hardware=hardware,
                log=log.model_copy(update={"keep_checkpoints": min(1, log.keep_checkpoints)}),  # all or none
                seed=seed,
                inputs=[params.model_dump_json(), *INPUTS],
                live_folder=paths.METRICS / "self_train",
                monitor="shared_information",
                mode="max",
                summary={"shared_information_before": before},
                model=network,
                configuration=f"self-train-{params.target}",
            ),
        )
        if not goes_on_alone():
            return
        least, reached = before * (1 + params.least_gain), result.best["shared_information"]
        if improved := reached > least:
            logger.info("published: iteration %d, %.4f nats", result.best_epoch, reached)
        else:
            network.load_state_dict(start)
            logger.info("published: the classifier as it was; no iteration reached %.4f nats", least)
        network.eval()
        threshold = predictor.threshold_for(texts, embeddings) if improved else predictor.evidence_threshold
        save_model(paths.SELF_TRAINED, network.state_dict(), predictor.metadata(threshold))
    result.discard_checkpoints()


def self_train_recipe(recipe: Recipe, params: SelfTrainParams) -> Recipe:
    """The recipe of the classifier with what self-training changes: an epoch is an iteration, at a constant rate."""
    return recipe.model_copy(
        update={
            "epochs": params.iterations,
            "patience": params.patience,
            "lr": recipe.lr * params.lr_scale,
            "schedule": "constant",
            "warmup": 0.0,
            "ema_decay": 0.0,  # a resumed run would read its targets from other weights than those validated
        }
    )


def find_votes(embeddings: np.ndarray, params: SelfTrainParams, seed: int) -> tuple[csr_array, np.ndarray]:
    """Draw the documents that vote, and weigh each document's nearest ones among them.

    Args:
        embeddings: (N, D), unit rows.
        params: numbers of voters and of neighbours.
        seed: of the draw.

    Returns:
        Weights (N, M), and the voters' rows (M,).
    """
    voters = draw_voters(len(embeddings), params.reference_documents, seed)
    return neighbour_weights(embeddings, voters, params.neighbours), voters
