"""Speed of the taxonomy's stages, as ratios within one run or as seconds against a bound. Run by `make bench`."""

import multiprocessing
import resource
import time

import numpy as np
import pytest
from scipy.sparse import csr_array

from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.quality.metrics import classification_metrics
from reprise.taxonomy.zero_shot.core_classes import paper_core_classes, zero_shot_posterior
from reprise.taxonomy.zero_shot.encoder import embed, open_encoder
from reprise.taxonomy.zero_shot.refine import normalise, refine_posterior
from tests.conftest import read_params
from tests.taxonomy.zero_shot.test_refine import SETTINGS

pytestmark = pytest.mark.benchmark

DOCUMENTS, CLASSES, DIMENSIONS = 49_145, 531, 384  # Amazon-531's size


def shop(count: int = CLASSES) -> Hierarchy:
    """6 top-level classes, 64 below them, the rest below these: a tree of Amazon-531's shape."""
    edges = [(index % 6, index) for index in range(6, 70)]
    edges += [(6 + index % 64, index) for index in range(70, count)]
    ids = tuple(str(index) for index in range(count))
    return Hierarchy(ids, ids, ((),) * count, tuple(edges))


def test_similarity_against_the_encoder_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = read_params()["taxonomy"]["similarity"]
    generator = np.random.default_rng(0)
    words = [f"word{number}" for number in range(400)]
    texts = [" ".join(generator.choice(words, generator.integers(3, 40))) for _ in range(1500)]
    encoder = open_encoder(params["encoder"], params["max_tokens"])
    encoder.encode(texts[:64])  # warm up
    ratios: list[float] = []
    for _ in range(7):
        started = time.perf_counter()
        encoder.encode(texts, batch_size=params["batch_size"], normalize_embeddings=True)
        alone = time.perf_counter() - started
        started = time.perf_counter()
        embed(encoder, texts, params["batch_size"], ["cpu"], f"{len(ratios)}")
        ratios.append(alone / (time.perf_counter() - started))
        monkeypatch.chdir(tmp_path_of(tmp_path, len(ratios)))
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    print(f"\nembedding through the stage: {median:.3f} of SentenceTransformer.encode ({low:.3f} to {high:.3f})")
    assert median >= 0.95


def tmp_path_of(folder, number):
    path = folder / str(number)  # an empty cache for each try
    path.mkdir()
    return path


def find_core_classes(rule: str) -> tuple[float, float]:
    """Seconds, and the process's peak memory in MiB, on a corpus of Amazon-531's size."""
    hierarchy = shop()
    generator = np.random.default_rng(0)
    names = normalise(generator.normal(size=(CLASSES, DIMENSIONS))).astype(np.float32)
    documents = np.empty((DOCUMENTS, DIMENSIONS), dtype=np.float32)
    for start in range(0, DOCUMENTS, 8192):
        rows = names[generator.integers(70, CLASSES, len(documents[start : start + 8192]))]
        rows = rows + 0.06 * generator.standard_normal(rows.shape, dtype=np.float32)
        documents[start : start + 8192] = normalise(rows)
    similarity = documents @ names.T
    started = time.perf_counter()
    if rule == "paper":
        assert paper_core_classes(similarity, np.zeros(similarity.shape, dtype=bool), hierarchy).any()
    else:
        leaves = hierarchy.leaves
        zero_shot = zero_shot_posterior(similarity[:, leaves], 80)
        refine_posterior(zero_shot, documents, names[leaves], SETTINGS)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("rule", ["refined", "paper"])
def test_core_classes_of_a_large_corpus(rule):
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # a process of its own has a peak of its own
        seconds, peak = pool.apply(find_core_classes, (rule,))
    print(f"\n{rule} core classes of {DOCUMENTS} x {CLASSES}: {seconds:.1f} s, peak {peak:.0f} MiB")
    assert seconds <= 10
    assert peak <= 1500


def test_evaluation_of_a_large_corpus():
    hierarchy = shop()
    generator = np.random.default_rng(0)
    scores = generator.random((DOCUMENTS, CLASSES), dtype=np.float32)
    predicted = hierarchy.closure[generator.integers(0, CLASSES, DOCUMENTS)]
    truth = csr_array(hierarchy.closure[generator.integers(0, CLASSES, DOCUMENTS)])
    started = time.perf_counter()
    metrics = classification_metrics(scores, predicted, truth, hierarchy, seed=0)
    seconds = time.perf_counter() - started
    print(f"\nevaluation of {DOCUMENTS} x {CLASSES}: {seconds:.1f} s")
    assert metrics["documents"] == DOCUMENTS
    assert seconds <= 20
