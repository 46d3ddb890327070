import numpy as np
import pytest
from scipy.special import softmax

from reprise.taxonomy.zero_shot.refine import (
    NameAnchoredMixture,
    RefineParams,
    Seeds,
    balancing_bias,
    cohen_kappa,
    cohesion_loss,
    normalise,
    ramp,
    refine_posterior,
    robust_lower_bound,
    smooth,
)
from tests.conftest import read_params

SECTION = read_params()["taxonomy"]["core_classes"]["refined"]
SETTINGS = RefineParams(**{name: SECTION[name] for name in RefineParams.model_fields})


def corpus(sizes: list[int], seed: int = 0, spread: float = 0.16, noise: float = 0.1):
    """Documents around class centres, and names that miss the centres by some noise: (X, names, labels)."""
    generator = np.random.default_rng(seed)
    centres = normalise(generator.normal(size=(len(sizes), 48)))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    documents = normalise(centres[labels] + spread * generator.normal(size=(len(labels), 48)))
    names = normalise(centres + noise * generator.normal(size=centres.shape))
    return documents.astype(np.float32), names.astype(np.float32), labels


def zero_shot_of(documents, names):
    return softmax(SECTION["sharpness"] * documents @ names.T, axis=1).astype(np.float32)


@pytest.mark.parametrize("sizes", [[60] * 12, [400, 200, 100, 60, 40, 30, 20, 15, 10, 8]])
@pytest.mark.parametrize("seed", range(3))
def test_it_beats_the_names_on_even_and_on_uneven_corpora(sizes, seed):
    documents, names, labels = corpus(sizes, seed, noise=0.24)
    zero_shot = zero_shot_of(documents, names)
    posterior, _ = refine_posterior(zero_shot, documents, names, SETTINGS)
    before, after = (np.mean(rows.argmax(axis=1) == labels) for rows in (zero_shot, posterior))
    assert before < 0.97
    assert after > before + 0.5 * (1 - before)  # at least half of the errors are gone
    np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-4)


def test_only_even_corpora_are_balanced():
    decided = []
    for sizes in ([60] * 12, [600, 30, 30, 20, 20, 10, 10, 10, 10, 10]):
        documents, names, _ = corpus(sizes)
        decided.append(refine_posterior(zero_shot_of(documents, names), documents, names, SETTINGS)[1])
    assert decided[0]["balancing"] == 1
    assert decided[1]["balancing"] == 0
    assert decided[0]["cohesion_loss"] < SETTINGS.loss_low < SETTINGS.loss_high < decided[1]["cohesion_loss"]


def test_names_that_say_nothing_are_not_trusted():
    documents, _, _ = corpus([60] * 12)
    names = normalise(np.random.default_rng(9).normal(size=(12, 48))).astype(np.float32)
    _, decided = refine_posterior(zero_shot_of(documents, names), documents, names, SETTINGS)
    assert decided["trust"] < SETTINGS.trust_high
    assert decided["balancing"] < 1


def test_documents_about_nothing_move_no_centre():
    documents, names, labels = corpus([60] * 6)
    generator = np.random.default_rng(1)
    crowd = normalise(normalise(generator.normal(size=(1, 48))) + 0.02 * generator.normal(size=(80, 48)))
    everything = np.concatenate([documents, crowd]).astype(np.float32)
    posterior, _ = refine_posterior(zero_shot_of(everything, names), everything, names, SETTINGS)
    assert np.mean(posterior[: len(labels)].argmax(axis=1) == labels) > 0.95


def test_the_same_input_gives_the_same_bytes_and_is_left_alone():
    documents, names, _ = corpus([30] * 5)
    zero_shot = zero_shot_of(documents, names)
    before = zero_shot.copy(), documents.copy(), names.copy()
    first, second = (refine_posterior(zero_shot, documents, names, SETTINGS)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert all(np.array_equal(a, b) for a, b in zip(before, (zero_shot, documents, names), strict=True))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tiny_corpora(count):
    documents, names, _ = corpus([1] * 4)
    posterior, _ = refine_posterior(zero_shot_of(documents[:count], names), documents[:count], names, SETTINGS)
    assert posterior.shape == (count, 4)
    assert np.isfinite(posterior).all()


def test_a_single_class_is_certain():
    documents, names, _ = corpus([5])
    posterior, decided = refine_posterior(np.ones((5, 1), np.float32), documents, names, SETTINGS)
    assert (posterior == 1).all()
    assert decided["balancing"] == 0


def seeds_of(labels, classes, per_class):
    rows = np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in classes])
    return Seeds(rows, np.eye(labels.max() + 1, dtype=np.float32)[labels[rows]])


def test_a_few_seed_documents_mend_names_that_mislead():
    documents, names, labels = corpus([60] * 8)
    names[[0, 1, 2]] = names[[1, 2, 0]]
    zero_shot, seeds = zero_shot_of(documents, names), seeds_of(labels, range(3), 3)
    others = np.setdiff1d(np.arange(len(labels)), seeds.rows)
    right = []
    for known in (None, seeds):
        posterior, _ = refine_posterior(zero_shot, documents, names, SETTINGS, known)
        right.append(float(np.mean(posterior.argmax(axis=1)[others] == labels[others])))
        np.testing.assert_allclose(posterior.sum(axis=1), 1, rtol=1e-4)
    assert right[0] < 0.65
    assert right[1] > 0.97
    np.testing.assert_allclose(posterior[seeds.rows], seeds.posterior, atol=1e-6)


def test_classes_without_seed_documents_keep_their_anchors():
    documents, names, labels = corpus([20] * 4)
    plain = NameAnchoredMixture(documents, names, SETTINGS)
    seeded = NameAnchoredMixture(documents, names, SETTINGS, seeds_of(labels, [2], 1))
    np.testing.assert_allclose(seeded.anchors[[0, 1, 3]], plain.anchors[[0, 1, 3]], atol=1e-6)
    direction = normalise(documents[np.flatnonzero(labels == 2)[:1]] - documents.mean(axis=0))[0]
    assert seeded.anchors[2] @ direction > plain.anchors[2] @ direction + 0.01


def test_the_loss_of_cohesion_against_loops():
    generator = np.random.default_rng(0)
    documents = normalise(generator.normal(size=(40, 5))).astype(np.float32)
    before, after = generator.integers(0, 3, 40), generator.integers(0, 3, 40)

    def kappa(labels):
        same = []
        for row in range(40):
            nearest = sorted(set(range(40)) - {row}, key=lambda other: -documents[row] @ documents[other])[:4]
            same += [labels[row] == labels[other] for other in nearest]
        chance = sum(np.mean(labels == label) ** 2 for label in range(3))
        return (np.mean(same) - chance) / (1 - chance)

    assert cohesion_loss(documents, before, after, 4) == pytest.approx(kappa(before) - kappa(after))
    assert cohesion_loss(documents, np.zeros(40, dtype=int), before, 4) == pytest.approx(1 - kappa(before))
    assert cohesion_loss(documents[:1], before[:1], after[:1], 4) == 0


def test_smoothing_is_scikit_learns_ridge_regression():
    from sklearn.linear_model import Ridge

    documents, names, _ = corpus([40] * 5)
    zero_shot = zero_shot_of(documents, names)
    rows = normalise(documents - documents.mean(axis=0)).astype(np.float64)
    ridge = Ridge(alpha=0.01 * len(rows), fit_intercept=False).fit(rows, zero_shot - zero_shot.mean(axis=0))
    expected = np.maximum(ridge.predict(rows) + zero_shot.mean(axis=0), 1e-4 / 5)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(smooth(zero_shot, documents, 0.01), expected, atol=1e-4)


def test_the_bias_evens_out_the_masses():
    likelihoods = np.random.default_rng(0).random((200, 4)).astype(np.float32) * [1, 0.2, 0.2, 0.1]
    bias = np.zeros(4)
    for _ in range(20):
        bias = balancing_bias(likelihoods, bias)
    weighted = likelihoods * np.exp(bias)
    np.testing.assert_allclose((weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0), 0.25, atol=1e-3)


def test_measures():
    assert cohen_kappa(np.array([0, 1, 1]), np.array([0, 1, 1])) == 1
    assert cohen_kappa(np.array([0, 0]), np.array([0, 0])) == 1
    assert cohen_kappa(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])) == pytest.approx(0)
    assert [ramp(value, 0.2, 0.4) for value in (0, 0.3, 1)] == pytest.approx([0, 0.5, 1])


def test_the_lower_bound_is_robust():
    values = np.random.default_rng(0).normal(10, 2, size=20_000)
    assert robust_lower_bound(values, 3) == pytest.approx(4, abs=0.1)
    assert robust_lower_bound(np.append(values, [-1e6] * 500), 3) == pytest.approx(4, abs=0.3)
    assert robust_lower_bound(values, 0) == -np.inf
