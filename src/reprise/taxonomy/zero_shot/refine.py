"""From zero-shot similarity to a better posterior over the classes, without a label.

A name's embedding is a noisy guess of where its documents lie. The documents themselves say more: those of a class
lie around a centre. `refine_posterior`

1. smooths the zero-shot posterior: ridge regression on the embeddings takes out what is noise of single documents and
   keeps the sizes of the classes;
2. takes two careful rounds of expectation maximisation for a mixture of von Mises-Fisher distributions (Banerjee et
   al., "Clustering on the Unit Hypersphere", JMLR 2005) whose centres are anchored at the names and whose prior is the
   estimated class sizes;
3. where these agree with the smoothed zero-shot posterior (trust: Cohen's kappa), goes on for a few rounds; and the
   more even the estimated sizes are, the more they are evened out, starting again from the names.

Mixtures drift toward classes of equal size, which helps on a balanced corpus and hurts on an uneven one. Evenness is
the effective number of classes (the exponential of the entropy of their sizes) over their number. Near 1, sizes are
taken to differ because names attract too many or too few documents; far below, the sizes are taken as real.
"""

from collections.abc import Iterator
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from reprise.core.params import Params
from reprise.core.recipe import Fraction

MAD_TO_DEVIATION = 1.4826  # of a normal distribution
BLOCK = 8192  # documents at once: bounds the memory of temporaries

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Kappa = Annotated[float, Field(ge=-1, le=1)]


class RefineParams(Params):
    """Constants of `refine_posterior`."""

    ridge: Positive
    concentration: Positive
    anchor: Annotated[float, Field(ge=0)]
    anchor_documents: Positive
    prior_documents: Positive
    outlier_deviations: Annotated[float, Field(ge=0)]
    careful_rounds: Count
    rounds: Count
    stop: Fraction
    balance: Fraction
    trust_low: Kappa
    trust_high: Kappa
    evenness_low: Fraction
    evenness_high: Fraction

    @model_validator(mode="after")
    def low_is_below_high(self) -> Self:
        """Refuse ramps without a rise.

        Raises:
            ValueError: a lower end is not below its upper end.
        """
        for name in ("trust", "evenness"):
            low, high = getattr(self, f"{name}_low"), getattr(self, f"{name}_high")
            if low >= high:
                raise ValueError(f"{name}_low is {low} and {name}_high {high}; expected the first below the second")
        return self


def refine_posterior(
    zero_shot: np.ndarray, documents: np.ndarray, names: np.ndarray, params: RefineParams
) -> tuple[np.ndarray, dict[str, float]]:
    """Refine the zero-shot posterior as far as the corpus supports it.

    Args:
        zero_shot: (N, E) float32, rows sum to 1.
        documents: (N, D) embeddings, unit rows.
        names: (E, D) embeddings of the names from the same encoder, unit rows.
        params: constants.

    Returns:
        (N, E) float32, rows sum to 1; and what decided: trust (kappa), evenness, and balancing from 0 (sizes as
        estimated) to 1 (evened out).
    """
    if len(names) == 1:
        return zero_shot, {"trust": 1.0, "evenness": 1.0, "balancing": 0.0}
    mixture = NameAnchoredMixture(np.asarray(documents, dtype=np.float32), names, params)
    posterior = smooth(zero_shot, documents, params.ridge)
    first = posterior.argmax(axis=1)
    posterior = mixture.fit(posterior, params.careful_rounds, balancing=0.0)
    trust, evenness = cohen_kappa(first, posterior.argmax(axis=1)), effective_share(posterior.sum(axis=0))
    balancing = ramp(trust, params.trust_low, params.trust_high)
    balancing *= ramp(evenness, params.evenness_low, params.evenness_high)
    if trust >= params.trust_low:
        posterior = mixture.blend_with_names(posterior, balancing)
        posterior = mixture.fit(posterior, params.rounds + (balancing > 0), balancing)
    return posterior, {"trust": trust, "evenness": evenness, "balancing": balancing}


class NameAnchoredMixture:
    """A mixture of von Mises-Fisher distributions with one centre for each class, drawn toward the class's name.

    Args:
        documents: (N, D) float32 unit rows.
        names: (E, D) unit rows.
        params: constants.
    """

    def __init__(self, documents: np.ndarray, names: np.ndarray, params: RefineParams) -> None:
        self.documents, self.params = documents, params
        self.names = normalise(names - names.mean(axis=0))
        self.mean = documents.mean(axis=0)
        # Documents far from every name would gather in the class that happens to be nearest, and move its centre.
        evidence = np.concatenate([(documents[rows] @ names.T).max(axis=1) for rows in self._blocks()])
        self.known = (evidence >= robust_lower_bound(evidence, params.outlier_deviations)).astype(np.float32)  # (N,)

    def fit(self, posterior: np.ndarray, rounds: int, balancing: float) -> np.ndarray:
        """Expectation maximisation from a posterior (N, E): the posterior of the last round."""
        best, bias = posterior.argmax(axis=1), np.zeros(len(self.names))
        for _ in range(rounds):
            centre, centres, sizes = self._maximise(posterior)
            posterior = self._likelihoods(centre, centres)
            if balancing > 0:
                bias = balancing_bias(posterior, bias)
            smoothed = sizes + self.params.prior_documents
            prior = np.log(smoothed / smoothed.sum() * len(sizes))
            weights = self.params.balance * balancing * bias + (1 - balancing) * prior
            posterior *= np.exp(weights - weights.max()).astype(np.float32)
            posterior /= posterior.sum(axis=1, keepdims=True)
            before, best = best, posterior.argmax(axis=1)
            if np.mean(best != before) < self.params.stop:
                break
        return posterior

    def blend_with_names(self, posterior: np.ndarray, share: float) -> np.ndarray:
        """Geometric mean of a posterior (N, E) and the softmax of the names' centred similarities, by share."""
        if share == 0:
            return posterior
        blended = np.empty_like(posterior)
        for rows in self._blocks():
            logits = self.params.concentration * normalise(self.documents[rows] - self.mean) @ self.names.T
            blended[rows] = softmax(share * logits + (1 - share) * np.log(posterior[rows] + 1e-9))
        return blended

    def _maximise(self, posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Origin (D,), unit centres (E, D) and sizes (E,) of the classes.

        The origin is the mean of the class means and not of the documents: in an uneven corpus the latter lies in the
        largest class, whose documents would have no direction.
        """
        sizes = self.known @ posterior  # (E,)
        pseudo = max(self.params.anchor * float(self.known.sum()) / len(sizes), self.params.anchor_documents)
        share = 1 / (sizes + pseudo)
        origin = ((posterior @ share) * self.known) @ self.documents + pseudo * share.sum() * self.mean
        origin = (origin / len(sizes)).astype(np.float32)
        sums = pseudo * self.names
        for rows in self._blocks():
            weighted = posterior[rows] * self.known[rows, None]
            sums = sums + weighted.T @ normalise(self.documents[rows] - origin)
        return origin, normalise(sums), sizes.astype(np.float64)

    def _likelihoods(self, origin: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """Likelihoods (N, E) float32 of the documents, each row scaled so that the largest is 1."""
        likelihoods = np.empty((len(self.documents), len(centres)), dtype=np.float32)
        for rows in self._blocks():
            logits = self.params.concentration * normalise(self.documents[rows] - origin) @ centres.T
            likelihoods[rows] = np.exp(logits - logits.max(axis=1, keepdims=True))
        return likelihoods

    def _blocks(self) -> Iterator[slice]:
        return (slice(start, start + BLOCK) for start in range(0, len(self.documents), BLOCK))


def smooth(posterior: np.ndarray, documents: np.ndarray, ridge: float) -> np.ndarray:
    """Ridge regression of a posterior (N, E) on centred documents (N, D), made into a posterior again.

    With an intercept the regression keeps each class's share of the corpus.
    """
    mean, shares = documents.mean(axis=0), posterior.mean(axis=0)
    width = documents.shape[1]
    gram, cross = np.zeros((width, width)), np.zeros((width, posterior.shape[1]))
    for start in range(0, len(documents), BLOCK):
        rows = normalise(documents[start : start + BLOCK] - mean)
        gram += rows.T @ rows
        cross += rows.T @ (posterior[start : start + BLOCK] - shares)
    penalty = ridge * len(documents) * np.eye(width)
    weights = np.linalg.solve(gram + penalty, cross).astype(np.float32)  # (D, E)
    smoothed = np.empty_like(posterior)
    for start in range(0, len(documents), BLOCK):
        block = slice(start, start + BLOCK)
        rows = normalise(documents[block] - mean) @ weights + shares
        rows = np.maximum(rows, 1e-4 / len(shares))  # a regression may leave [0, 1]
        smoothed[block] = rows / rows.sum(axis=1, keepdims=True)
    return smoothed


def balancing_bias(likelihoods: np.ndarray, bias: np.ndarray, steps: int = 3) -> np.ndarray:
    """Move a bias (E,) of the logits toward the one that gives all classes the same total mass (Sinkhorn, 1964)."""
    documents, classes = likelihoods.shape
    for _ in range(steps):
        gain = np.exp(bias - bias.max()).astype(np.float32)
        mass = gain * ((1 / (likelihoods @ gain)) @ likelihoods)  # (E,)
        bias = bias - np.log(classes * mass / documents + 1e-9)
    return bias


def robust_lower_bound(values: np.ndarray, deviations: float) -> float:
    """So many standard deviations, estimated from the median absolute one, below the median; 0: no bound."""
    if deviations == 0:
        return -np.inf
    median = float(np.median(values))
    return median - deviations * MAD_TO_DEVIATION * float(np.median(np.abs(values - median)))


def cohen_kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two labellings (N,); 1 for equal ones, also where it is 0 / 0, since both name one class."""
    from sklearn.metrics import cohen_kappa_score

    if (first == second).all():
        return 1.0
    return float(cohen_kappa_score(first, second))


def effective_share(sizes: np.ndarray) -> float:
    """Exponential of the entropy of class sizes (E,) over their number: from 1 / E to 1."""
    shares = sizes[sizes > 0] / sizes.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()) / len(sizes))


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, linear between."""
    return float(np.clip((value - low) / (high - low), 0, 1))


def normalise(rows: np.ndarray) -> np.ndarray:
    """Scale rows to norm 1; a row of zeros stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in the precision of its input."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers
