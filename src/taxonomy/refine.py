"""From zero-shot similarity to a better posterior over the classes, without a label.

A name's embedding is a noisy guess of where its documents lie. The documents themselves say more: near ones share a
class, and a class's documents lie around a centre. `refine_posterior` starts from the softmax of the similarities,
lets neighbours vote (Zhou et al., "Learning with Local and Global Consistency", NIPS 2003), and then alternates
between class centres, anchored at the names, and posteriors, as expectation maximisation does for a mixture of von
Mises-Fisher distributions (Banerjee et al., JMLR 2005).

Mixtures drift toward classes of equal size, which helps on a balanced corpus and ruins an uneven one. How far to go is
read off the votes: `evenness` is the effective number of classes among them (the exponential of their entropy) over
the number of classes. Near 1, what differs in size is the names' fault, and sizes are balanced; far below, the sizes
are real: they enter as a prior, the neighbours keep half of the say, and one round is enough.
"""

import dataclasses

import numpy as np
from scipy.sparse import csr_array

from src.common.seed import derive_seed

BLOCK = 8192  # documents at once: bounds the memory of temporaries


@dataclasses.dataclass(frozen=True)
class RefineSettings:
    """Constants of `refine_posterior`.

    Attributes:
        sharpness: of the softmax that turns similarities into the first posterior.
        neighbours: documents that vote on one.
        reference_documents: the voters are drawn from a random subset of at most this many.
        vote: share of the neighbours in each step of the vote.
        vote_steps: steps of the vote.
        concentration: kappa of the von Mises-Fisher distributions.
        anchor: weight of a class's name in its centre, in mean class sizes.
        balance: strength of the pull toward classes of equal size at full evenness.
        evenness_low: at this evenness and below, sizes are taken as real.
        evenness_high: at this and above, as the names' fault.
        rounds: of expectation maximisation at full evenness.
    """

    sharpness: float
    neighbours: int
    reference_documents: int
    vote: float
    vote_steps: int
    concentration: float
    anchor: float
    balance: float
    evenness_low: float
    evenness_high: float
    rounds: int


def refine_posterior(
    zero_shot: np.ndarray, documents: np.ndarray, names: np.ndarray, settings: RefineSettings, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    """Refine the zero-shot posterior.

    Args:
        zero_shot: (N, E) float32, rows sum to 1.
        documents: (N, D) embeddings.
        names: (E, D) embeddings of the names, from the same encoder.
        settings: constants.
        seed: draws the reference documents.

    Returns:
        (N, E) float32, rows sum to 1; and what was decided on the way: evenness, trust (0: sizes are real, 1: the
        names' fault) and rounds.
    """
    if len(names) == 1 or len(documents) <= settings.neighbours:
        return zero_shot, {"evenness": 1.0, "balancing": 0.0, "rounds": 0}
    votes = NeighbourVotes(documents, settings, seed)
    voted = votes(zero_shot)
    evenness = effective_classes(voted) / len(names)
    span = settings.evenness_high - settings.evenness_low
    trust = float(np.clip((evenness - settings.evenness_low) / span, 0, 1))
    rounds = 1 + round((settings.rounds - 1) * trust)
    centred_documents, centred_names = centre(documents), centre(names)
    # Where sizes are balanced anyway, the names' own similarities are the better start than the votes.
    first = settings.concentration * trust * (centred_documents @ centred_names.T) + (1 - trust) * _log(voted)
    posterior, bias = softmax(first), np.zeros(len(names), dtype=np.float32)
    for _ in range(rounds):
        sizes = posterior.sum(axis=0)  # (E,)
        anchors = settings.anchor * len(documents) / len(names) * centred_names
        centres = normalise(posterior.T @ centred_documents + anchors)  # (E, D)
        logits = settings.concentration * centred_documents @ centres.T  # (N, E)
        logits += (1 - trust) * np.log((sizes + 1) / (sizes + 1).sum())
        bias = balancing_bias(logits, bias)
        mixture = softmax(logits + trust * settings.balance * bias)
        share = 0.5 * (1 - trust)
        posterior = softmax(share * _log(votes(posterior)) + (1 - share) * _log(mixture)) if share else mixture
    return posterior, {"evenness": float(evenness), "balancing": trust, "rounds": rounds}


class NeighbourVotes:
    """Lets each document's nearest neighbours vote on its posterior.

    The voters come from a random subset of the corpus, so that time and memory grow linearly with documents.

    Args:
        documents: (N, D) unit rows.
        settings: neighbours, reference_documents, vote, vote_steps.
        seed: draws the subset.
    """

    def __init__(self, documents: np.ndarray, settings: RefineSettings, seed: int) -> None:
        self.settings = settings
        generator = np.random.default_rng(derive_seed(seed, "reference documents"))
        size = min(settings.reference_documents, len(documents))
        self.reference = np.sort(generator.choice(len(documents), size, replace=False))  # (M,)
        self.weights = neighbour_weights(documents, self.reference, settings.neighbours)  # (N, M) sparse

    def __call__(self, posterior: np.ndarray) -> np.ndarray:
        """Mix each row (N, E) with its neighbours', `vote_steps` times; the voters vote among themselves first."""
        share = self.settings.vote
        among = self.weights[self.reference]  # (M, M)
        voters = own = posterior[self.reference]  # (M, E)
        for _ in range(self.settings.vote_steps - 1):
            voters = (1 - share) * own + share * (among @ voters)
        voted = (self.weights @ voters).astype(np.float32)
        voted *= share
        voted += (1 - share) * posterior
        return voted


def neighbour_weights(documents: np.ndarray, reference: np.ndarray, neighbours: int) -> csr_array:
    """Weights (N, M) of each document's nearest reference documents, itself left out; rows sum to 1.

    A neighbour's weight is its cosine.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(neighbours + 1, len(reference))
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(documents[reference])
    distances, columns = search.kneighbors(documents)  # (N, k + 1), nearest first
    cosines = np.maximum(1 - 0.5 * np.square(distances), 1e-6).astype(np.float32)
    cosines[reference[columns] == np.arange(len(documents))[:, None]] = 0
    full = (cosines > 0).all(axis=1)
    cosines[full, -1] = 0  # a document outside the reference has one neighbour more than the others
    cosines /= cosines.sum(axis=1, keepdims=True)
    pointers = np.arange(0, cosines.size + 1, count)
    return csr_array((cosines.ravel(), columns.ravel(), pointers), shape=(len(documents), len(reference)))


def effective_classes(posterior: np.ndarray) -> float:
    """Exponential of the entropy of the most probable classes: from 1 to E."""
    shares = np.bincount(posterior.argmax(axis=1), minlength=posterior.shape[1]) / len(posterior)
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def balancing_bias(logits: np.ndarray, bias: np.ndarray, steps: int = 3) -> np.ndarray:
    """Move a bias (E,) toward the one that gives all classes the same total mass (Sinkhorn, 1964)."""
    for _ in range(steps):
        mass = sum(softmax(logits[at : at + BLOCK] + bias).sum(axis=0) for at in range(0, len(logits), BLOCK))
        bias = bias - np.log(mass * len(bias) / len(logits) + 1e-9)
    return bias.astype(np.float32)


def centre(rows: np.ndarray) -> np.ndarray:
    """Take off the mean row and scale to norm 1."""
    return normalise(rows - rows.mean(axis=0))


def normalise(rows: np.ndarray) -> np.ndarray:
    """Scale rows to norm 1; a row of zeros stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in the precision of its input."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities + 1e-9)
