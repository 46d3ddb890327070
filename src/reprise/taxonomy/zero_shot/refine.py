"""From zero-shot similarity to a better posterior over the classes, without a label or with a few.

A name's embedding is a noisy guess of where its documents lie. The documents themselves say more: those of a class
lie around a centre. `refine_posterior` fits mixtures of von Mises-Fisher distributions (Banerjee et al., "Clustering on
the Unit Hypersphere", JMLR 2005) whose centres are anchored at the names, by a few rounds of expectation maximisation,
and averages what three of them say:

1. careful: two rounds from the zero-shot posterior, which ridge regression on the embeddings has smoothed; the prior
   is the estimated class sizes;
2. uneven: a few rounds from the names, with the same prior;
3. even: as many rounds from the names, with a pull toward classes of equal size.

Where sizes differ because names attract too many or too few documents, the pull mends it. Where they really differ, it
cuts through the large classes, and near documents come to lie in different classes. So what decides between the mean
of the first two and the third is the loss of cohesion: how much less often a document's nearest neighbours share its
class, as a kappa. A second condition is trust: the names have to agree with the careful posterior (Cohen's kappa).

Seed documents, whose classes a person gave, keep their classes throughout. They move the anchors of their classes, and
each weighs as much as several documents in a centre.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.special import softmax

from reprise.core.params import Params
from reprise.core.recipe import Fraction

MAD_TO_DEVIATION = 1.4826  # of a normal distribution
BLOCK = 8192  # documents at once: bounds the memory of temporaries
COHESION_DOCUMENTS = 4000  # are enough to estimate a kappa to 0.005
COHESION_BLOCK = 256  # documents compared with all others at once

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Kappa = Annotated[float, Field(ge=-1, le=1)]


class RefineParams(Params):
    """Constants of `refine_posterior`."""

    ridge: Positive
    concentration: Positive
    anchor: NotNegative
    anchor_documents: Positive
    prior_documents: Positive
    outlier_deviations: NotNegative
    careful_rounds: Count
    rounds: Count
    stop: Fraction
    balance: Fraction
    trust_low: Kappa
    trust_high: Kappa
    neighbours: Annotated[int, Field(ge=1)]
    loss_low: Kappa
    loss_high: Kappa
    seed_names: Positive
    seed_documents: NotNegative

    @model_validator(mode="after")
    def low_is_below_high(self) -> Self:
        """Refuse ramps without a rise.

        Raises:
            ValueError: a lower end is not below its upper end.
        """
        ramps = {"trust": (self.trust_low, self.trust_high), "loss": (self.loss_low, self.loss_high)}
        for name, (low, high) in ramps.items():
            if low >= high:
                raise ValueError(f"{name}_low is {low} and {name}_high {high}; expected the first below the second")
        return self


class Seeds(NamedTuple):
    """M documents whose classes are known: their rows (M,), and their posteriors (M, E), each summing to 1."""

    rows: np.ndarray
    posterior: np.ndarray


def refine_posterior(
    zero_shot: np.ndarray,
    documents: np.ndarray,
    names: np.ndarray,
    params: RefineParams,
    seeds: Seeds | None = None,
) -> tuple[np.ndarray, dict[str, float]]:
    """Refine the zero-shot posterior as far as the corpus supports it.

    Args:
        zero_shot: (N, E) float32, rows sum to 1.
        documents: (N, D) embeddings, unit rows.
        names: (E, D) embeddings of the names from the same encoder, unit rows.
        params: constants.
        seeds: documents whose classes are known.

    Returns:
        (N, E) float32, rows sum to 1; and what decided: trust (kappa), cohesion_loss (difference of kappas), and
        balancing from 0 (sizes as estimated) to 1 (evened out).
    """
    if len(names) == 1:
        return zero_shot, {"trust": 1.0, "cohesion_loss": 0.0, "balancing": 0.0}
    documents = np.asarray(documents, dtype=np.float32)
    mixture = NameAnchoredMixture(documents, names, params, seeds)
    smoothed = smooth(mixture.move_to_seeds(zero_shot), documents, params.ridge)
    careful = mixture.fit(smoothed, params.careful_rounds, balancing=0)
    trust = cohen_kappa(smoothed.argmax(axis=1), careful.argmax(axis=1))
    start = mixture.name_posterior()
    uneven = (careful + mixture.fit(start, params.rounds, balancing=0)) / 2
    even = mixture.fit(start, params.rounds, balancing=1)
    loss = cohesion_loss(documents, uneven.argmax(axis=1), even.argmax(axis=1), params.neighbours)
    balancing = ramp(trust, params.trust_low, params.trust_high) * (1 - ramp(loss, params.loss_low, params.loss_high))
    posterior = (1 - balancing) * uneven + balancing * even
    return posterior.astype(np.float32), {"trust": trust, "cohesion_loss": loss, "balancing": balancing}


class NameAnchoredMixture:
    """A mixture of von Mises-Fisher distributions with one centre for each class, drawn toward the class's name.

    Args:
        documents: (N, D) float32 unit rows.
        names: (E, D) unit rows.
        params: constants.
        seeds: documents whose classes are known.
    """

    def __init__(
        self, documents: np.ndarray, names: np.ndarray, params: RefineParams, seeds: Seeds | None = None
    ) -> None:
        self.documents, self.params, self.seeds = documents, params, seeds
        self.mean = documents.mean(axis=0)
        self.names = normalise(names - names.mean(axis=0))
        self.anchors = self.names
        # Documents far from every name would gather in the class that happens to be nearest, and move its centre.
        evidence = np.concatenate([(documents[rows] @ names.T).max(axis=1) for rows in self._blocks()])
        self.known = (evidence >= robust_lower_bound(evidence, params.outlier_deviations)).astype(np.float32)  # (N,)
        if seeds is not None:
            self.known[seeds.rows] = 1
            directions = normalise(documents[seeds.rows] - self.mean)
            self.anchors = normalise(params.seed_names * self.names + seeds.posterior.T @ directions)

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
            self._give_seeds(posterior)
            before, best = best, posterior.argmax(axis=1)
            if np.mean(best != before) < self.params.stop:
                break
        return posterior

    def name_posterior(self) -> np.ndarray:
        """Softmax of the centred similarities with the anchors, (N, E)."""
        posterior = np.empty((len(self.documents), len(self.anchors)), dtype=np.float32)
        for rows in self._blocks():
            logits = self.params.concentration * normalise(self.documents[rows] - self.mean) @ self.anchors.T
            posterior[rows] = softmax(logits, axis=1)
        self._give_seeds(posterior)
        return posterior

    def move_to_seeds(self, posterior: np.ndarray) -> np.ndarray:
        """Move a posterior (N, E) from the names to the anchors, and give the seeds their classes."""
        if self.seeds is None:
            return posterior
        moved = np.empty_like(posterior)
        for rows in self._blocks():
            directions = normalise(self.documents[rows] - self.mean)
            gain = self.params.concentration * directions @ (self.anchors - self.names).T
            moved[rows] = posterior[rows] * np.exp(gain - gain.max(axis=1, keepdims=True)) + 1e-9
        moved /= moved.sum(axis=1, keepdims=True)
        self._give_seeds(moved)
        return moved

    def _give_seeds(self, posterior: np.ndarray) -> None:
        if self.seeds is not None:
            posterior[self.seeds.rows] = self.seeds.posterior

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
        sums = pseudo * self.anchors
        for rows in self._blocks():
            weighted = posterior[rows] * self.known[rows, None]
            sums = sums + weighted.T @ normalise(self.documents[rows] - origin)
        if self.seeds is not None:
            directions = normalise(self.documents[self.seeds.rows] - origin)
            sums = sums + self.params.seed_documents * (self.seeds.posterior.T @ directions)
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
    """Median less `deviations` standard deviations, estimated from the median absolute deviation; 0: no bound."""
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


def cohesion_loss(documents: np.ndarray, before: np.ndarray, after: np.ndarray, neighbours: int) -> float:
    """How much lower the kappa of nearest documents' classes is for one labelling (N,) than for another.

    Kappa is the share of (document, neighbour) pairs of one class, corrected for chance as Cohen's is: a labelling
    with one large class has no advantage. Estimated on at most COHESION_DOCUMENTS documents spread over the corpus.
    """
    count = min(neighbours, len(documents) - 1)
    if count < 1:
        return 0.0
    rows = np.unique(np.linspace(0, len(documents) - 1, min(COHESION_DOCUMENTS, len(documents))).astype(int))
    near = np.empty((len(rows), count), dtype=np.int64)
    for start in range(0, len(rows), COHESION_BLOCK):
        block = slice(start, start + COHESION_BLOCK)
        cosines = documents[rows[block]] @ documents.T
        cosines[np.arange(len(cosines)), rows[block]] = -np.inf  # a document is no neighbour of itself
        near[block] = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    return _neighbour_kappa(before, rows, near) - _neighbour_kappa(after, rows, near)


def _neighbour_kappa(labels: np.ndarray, rows: np.ndarray, near: np.ndarray) -> float:
    chance = float(np.square(np.bincount(labels) / len(labels)).sum())
    same = float(np.mean(labels[near] == labels[rows, None]))
    return (same - chance) / (1 - chance) if chance < 1 else 1.0


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, linear between."""
    return float(np.clip((value - low) / (high - low), 0, 1))


def normalise(rows: np.ndarray) -> np.ndarray:
    """Scale rows to norm 1; a row of zeros stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)
