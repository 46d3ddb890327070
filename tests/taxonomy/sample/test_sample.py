import numpy as np
import pytest

from reprise.taxonomy import paths
from reprise.taxonomy.data.hierarchy_files import read_hierarchy
from reprise.taxonomy.quality.labels import read_labels
from reprise.taxonomy.stages import sample


@pytest.fixture
def sample_folder(workspace, change_params):
    change_params("taxonomy.sample.train_documents", 400)
    sample.main()
    return workspace / paths.SAMPLE


def test_the_same_seed_gives_the_same_bytes(sample_folder, change_params):
    first = {path.name: path.read_bytes() for path in sample_folder.iterdir()}
    sample.main()
    assert {path.name: path.read_bytes() for path in sample_folder.iterdir()} == first
    change_params("seed", 43)
    sample.main()
    assert (sample_folder / "train_corpus.txt").read_bytes() != first["train_corpus.txt"]
    assert (sample_folder / "classes.txt").read_bytes() == first["classes.txt"]


def test_it_has_all_that_makes_real_corpora_hard(sample_folder):
    hierarchy = read_hierarchy(sample_folder)
    assert (len(hierarchy), hierarchy.levels.max()) == (41, 3)
    assert sum(len(parents) > 1 for parents in hierarchy.parents) == 2
    lines = (sample_folder / "train_corpus.txt").read_text().splitlines()
    documents, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    labels = read_labels(sample_folder / "train_doc2labels.txt", hierarchy, documents).toarray()
    assert np.array_equal(hierarchy.close_upwards(labels), labels)
    paths = labels[:, hierarchy.leaves].sum(axis=1)
    none, inner = ~labels.any(axis=1), labels.any(axis=1) & (paths == 0)
    assert 0.1 < (paths == 2).mean() < 0.3
    assert 0 < none.mean() < 0.1
    assert 0 < inner.mean() < 0.1
    sizes = labels[:, hierarchy.leaves].sum(axis=0)
    assert sizes.min() > 0
    assert sizes.max() > 2.5 * sizes.min()
    words = [len(text.split()) for text in texts]
    assert min(words) <= 4
    assert max(words) > 250
