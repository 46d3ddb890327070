"""Similarity as entailment: does the document entail "this text is about {class}"?

Shen et al., "TaxoClass", NAACL 2021, section 3.2: a cross-encoder trained for natural language inference gives
sim(document, class) = P(entailment), and a top-down search (candidates.py) keeps the number of scored pairs low.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.candidates import search_top_down

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

PairScorer = Callable[[Sequence[tuple[str, str]]], np.ndarray]


def search_scores(
    texts: Sequence[str], hypotheses: Sequence[str], hierarchy: Hierarchy, score: PairScorer
) -> np.ndarray:
    """Score each document against the classes that the top-down search meets.

    Args:
        texts: N documents.
        hypotheses: C sentences, one per class.
        hierarchy: the C classes.
        score: pairs (document, hypothesis) -> (pairs,) probabilities of entailment; called once a level.

    Returns:
        (N, C) float32; NaN where a pair was never scored.
    """
    scores = np.full((len(texts), len(hierarchy)), np.nan, dtype=np.float32)

    def score_level(needed: np.ndarray) -> np.ndarray:
        pairs = np.argwhere(needed).tolist()
        if pairs:
            scores[needed] = score([(texts[row], hypotheses[column]) for row, column in pairs])
        return scores

    search_top_down(hierarchy, len(texts), score_level)
    return scores


def open_cross_encoder(name: str, max_tokens: int, device: str) -> tuple["CrossEncoder", int]:
    """Load an NLI cross-encoder.

    Returns:
        The model, and which of its outputs is entailment.

    Raises:
        InputError: no such model, or none of its labels is called entailment.
    """
    from sentence_transformers import CrossEncoder

    try:
        model = CrossEncoder(name, device=device, max_length=max_tokens)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"entailment model {name!r}: neither a folder nor a model that the hub gives: {reason}"
        ) from None
    labels = {str(label).lower(): index for index, label in (model.config.id2label or {}).items()}
    if "entailment" not in labels:
        raise InputError(
            f"entailment model {name!r}: none of its labels is `entailment`: {', '.join(labels) or 'none'}"
        )
    return model, int(labels["entailment"])


def pair_scorer(model: "CrossEncoder", entailment: int, batch_size: int, devices: Sequence[str]) -> PairScorer:
    """Make the function that scores pairs by the softmax probability of the entailment label."""

    def score(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        device: Any = list(devices) if len(devices) > 1 else devices[0]
        probabilities = model.predict(
            list(pairs), batch_size=batch_size, apply_softmax=True, show_progress_bar=False, device=device
        )
        return probabilities[:, entailment]

    return score
