"""Tune the last layers of an encoder on what is known of the classes, before anything is embedded.

What an encoder takes for similar need not be what parts the classes. A person's seed documents and keywords say which
texts belong together: two texts of a class, of which one may be its name, are drawn toward each other and away from
those of the other classes of the batch, as in Tunstall et al., "Efficient Few-Shot Learning Without Prompts" (SetFit,
2022), with the in-batch negatives of Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply"
(2017). Classes of which only the names are known take part by these. The rest of the method goes on in the new space.
Names alone part classes, too, but on uneven corpora they part them wrongly, so that `worth_tuning` asks for documents.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from reprise.core import kernels
from reprise.core.errors import InputError
from reprise.core.files import hash_bytes
from reprise.core.models import hash_tensors, load_model, save_model
from reprise.core.processes import rank, wait_for_all
from reprise.core.seed import derive_seed, seed_everything
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.encoder import (
    CHARACTERS_PER_TOKEN,
    computed_by,
    model_fingerprint,
    unfreeze_last_layers,
)
from reprise.taxonomy.zero_shot.row_cache import CACHE_FOLDER

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

logger = logging.getLogger("reprise")

CLASSES_PER_BATCH = 32
SCALE = 20.0  # of the cosines in the softmax
WARMUP = 0.1  # share of the steps
WEIGHT_DECAY = 0.01
LARGEST_GRADIENT = 1.0  # norm


class Examples(NamedTuple):
    """Texts of a leaf class: those made from its name, its keywords, and its seed documents."""

    names: list[str]
    keywords: list[str]
    documents: list[str]


class Tuning(NamedTuple):
    """How an encoder is tuned: values of taxonomy.similarity.

    Attributes:
        layers: `tuned_layers`, the last ones, which learn; -1: all.
        epochs: `tuning_epochs`; in each of them, every class is met once.
        lr: `tuning_lr`, the peak learning rate.
    """

    layers: int
    epochs: int
    lr: float


def collect_examples(
    hierarchy: Hierarchy, class_texts: Sequence[list[str]], documents: Sequence[str], seeds: np.ndarray
) -> list[Examples]:
    """Collect the examples of each of the E leaf classes.

    A seed document of several classes, or of an inner one, is no example: it lies between leaf classes.

    Args:
        hierarchy: C classes.
        class_texts: C lists of texts.
        documents: N texts.
        seeds: (N, C) bool, the classes of the seed documents.
    """
    rows = np.flatnonzero(seeds.any(axis=1))  # (M,)
    own = hierarchy.drop_ancestors(seeds[rows])  # (M, C)
    single = own.sum(axis=1) == 1
    return [
        Examples(
            class_texts[leaf],
            list(hierarchy.keywords[leaf]),
            [documents[row] for row in rows[single & own[:, leaf]]],
        )
        for leaf in hierarchy.leaves
    ]


def worth_tuning(examples: Sequence[Examples], share: float | None) -> bool:
    """Whether so large a share of two or more classes has seed documents; never for None. The log says what lacks."""
    if share is None or len(examples) < 2:
        return False
    seeded = sum(bool(own.documents) for own in examples)
    if 0 < seeded < share * len(examples):
        logger.info("%d of %d leaf classes have seed documents: too few to tune the encoder", seeded, len(examples))
    return seeded >= share * len(examples)


def tune_on_examples(
    encoder: "SentenceTransformer", examples: Sequence[Examples], tuning: Tuning, seed: int
) -> dict[str, "Tensor"]:
    """Tune an encoder, which changes it.

    Args:
        encoder: its last layers learn.
        examples: of two or more classes.
        tuning: how long and how fast.
        seed: of the draws.

    Returns:
        What has changed: the tensors of the layers that learned, by name.

    Raises:
        InputError: the loss is not finite.
    """
    import torch
    from tqdm import tqdm
    from transformers import get_linear_schedule_with_warmup

    seed_everything(seed)
    stored = next(encoder.parameters()).dtype
    encoder.float()  # in half precision, most steps would be lost in rounding
    unfreeze_last_layers(encoder, tuning.layers)
    learned = {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW(learned.values(), lr=tuning.lr, weight_decay=WEIGHT_DECAY)
    batches = [batch for epoch in range(tuning.epochs) for batch in draw_batches(examples, derive_seed(seed, epoch))]
    schedule = get_linear_schedule_with_warmup(optimizer, round(WARMUP * len(batches)), len(batches))
    encoder.train()
    losses = []
    for pairs in tqdm(batches, desc="tuning the encoder", unit="step", disable=None):
        first, second = (embed_batch(encoder, list(side)) for side in zip(*pairs, strict=True))
        loss = contrast(first, second, torch.from_numpy(share_a_text(pairs)).to(first.device))
        if not loss.isfinite():
            raise InputError(
                f"the loss is {loss.item()} while the encoder is tuned; lower taxonomy.similarity.tuning_lr, or leave "
                "tune_from empty to keep the encoder as it is"
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned.values(), LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    encoder.eval().requires_grad_(True).to(stored)
    per_epoch = np.array(losses).reshape(tuning.epochs, -1).mean(axis=1)
    logger.info("tuned the encoder in %d steps: loss %.3f, then %.3f", len(batches), per_epoch[0], per_epoch[-1])
    return {name: tensor for name, tensor in encoder.state_dict().items() if name in learned}


def draw_batches(examples: Sequence[Examples], seed: int) -> list[list[tuple[str, str]]]:
    """Draw an epoch: a pair of texts of every class, in batches of up to CLASSES_PER_BATCH pairs.

    Args:
        examples: of the classes.
        seed: of the order of the classes and of the texts.
    """
    generator = np.random.default_rng(seed)
    pairs = [draw_pair(examples[index], generator) for index in generator.permutation(len(examples))]
    return [pairs[start : start + CLASSES_PER_BATCH] for start in range(0, len(pairs), CLASSES_PER_BATCH)]


def draw_pair(own: Examples, generator: np.random.Generator) -> tuple[str, str]:
    """Draw two texts of a class: of its documents, its keywords and one text of its name, or of its name alone."""
    name = own.names[int(generator.integers(len(own.names)))]
    known = [*own.keywords, *own.documents]
    texts = [*(known or own.names), name]
    first, second = generator.choice(len(texts), 2, replace=False).tolist()
    return texts[first], texts[second]


def embed_batch(encoder: "SentenceTransformer", texts: list[str]) -> "Tensor":
    """Embed B texts with gradients, with the encoder's default prompt if it has one: (B, D), unit rows."""
    import torch

    longest = CHARACTERS_PER_TOKEN * int(encoder.max_seq_length or 512)
    prompt = encoder.prompts[encoder.default_prompt_name] if encoder.default_prompt_name else None
    features = encoder.preprocess([text[:longest] for text in texts], prompt=prompt)
    features = {name: value.to(encoder.device) for name, value in features.items() if torch.is_tensor(value)}
    return torch.nn.functional.normalize(encoder(features)["sentence_embedding"], dim=-1)


def share_a_text(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Which pairs of different classes have a text in common, (B, B) bool: classes may be called the same."""
    shared = np.array([[not {*one}.isdisjoint(other) for other in pairs] for one in pairs])
    return shared & ~np.eye(len(pairs), dtype=bool)


def contrast(first: "Tensor", second: "Tensor", ignored: "Tensor") -> "Tensor":
    """Cross-entropy of finding each text's partner among those of the batch, both ways.

    Args:
        first: (B, D), unit rows.
        second: (B, D), unit rows; row i is of the same class as row i of `first`.
        ignored: (B, B) bool, symmetric: pairs that are not told apart.
    """
    import torch
    from torch.nn.functional import cross_entropy

    logits = (SCALE * first @ second.T).masked_fill(ignored, -torch.inf)  # (B, B)
    partner = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, partner) + cross_entropy(logits.T, partner)) / 2


def tune_once(
    encoder: "SentenceTransformer", examples: Sequence[Examples], tuning: Tuning, seed: int, path: Path
) -> None:
    """Tune an encoder and write what has changed to a file, or take it from an earlier run's cache.

    Of several processes the first tunes, and the others read what it found.

    Args:
        encoder: ends tuned.
        examples: of two or more classes.
        tuning: how long and how fast.
        seed: of the draws.
        path: the .safetensors file for `apply_tuning`.
    """
    code = computed_by([str(encoder.device)], __name__, "reprise.taxonomy.zero_shot.encoder")
    key = json.dumps([model_fingerprint(encoder), code, kernels.chosen(), examples, tuning, seed])
    kept = CACHE_FOLDER / "tuning" / f"{hash_bytes(key.encode())[:16]}.safetensors"
    if rank() == 0 and not is_whole(kept):
        logger.info("the encoder is tuned to tell %d classes apart", len(examples))
        base = hash_tensors(encoder.state_dict())
        save_model(kept, tune_on_examples(encoder, examples, tuning, seed), {"base": base})
    wait_for_all()
    if not kept.exists():
        raise InputError(f"{kept}: another process has not written it; do the machines share this folder?")
    tensors, metadata = load_model(kept)
    put_into(encoder, tensors)
    if rank() == 0:
        save_model(path, tensors, metadata)


def put_into(encoder: "SentenceTransformer", tensors: Mapping[str, "Tensor"]) -> None:
    """Replace some of an encoder's weights; a name or a shape that it does not have is an error."""
    encoder.load_state_dict({**encoder.state_dict(), **tensors})


def is_whole(path: Path) -> bool:
    """Whether a tuning is in the cache; a damaged one is not, with a line in the log."""
    if not path.exists():
        return False
    try:
        load_model(path)
    except InputError as error:
        logger.warning("%s; the encoder is tuned again", error)
        return False
    return True


def apply_tuning(encoder: "SentenceTransformer", path: Path) -> bool:
    """Put a tuning into the encoder that it was made of.

    Returns:
        Whether the encoder is tuned now: not where there is no tuning, or one of another encoder.

    Raises:
        InputError: the file is damaged.
    """
    if not path.exists():
        return False
    tensors, metadata = load_model(path)
    if metadata != {"base": hash_tensors(encoder.state_dict())}:
        logger.info("the encoder is not the one that was tuned on seed documents, and stays as it is")
        return False
    put_into(encoder, tensors)
    return True
