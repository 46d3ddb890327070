import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.data.hierarchy import Hierarchy
from reprise.taxonomy.zero_shot.candidates import search_top_down
from reprise.taxonomy.zero_shot.entailment import open_cross_encoder, pair_scorer, search_scores
from tests.taxonomy.test_hierarchy import random_hierarchy


def tree(branches: int, levels: int) -> Hierarchy:
    """A tree in which every inner class has `branches` children."""
    edges, level, count = [], list(range(branches)), branches
    for _ in range(levels - 1):
        children = []
        for parent in level:
            for _ in range(branches):
                edges.append((parent, count))
                children.append(count)
                count += 1
        level = children
    ids = tuple(str(index) for index in range(count))
    return Hierarchy(ids, ids, ((),) * count, tuple(edges))


def naive_search(hierarchy: Hierarchy, similarity: np.ndarray) -> set[int]:
    """The paper's search for one document, spelled out."""
    kept, stayed, level = {-1: 1.0}, set(), 0
    while kept:
        scores: dict[int, float] = {}
        for node, path_score in kept.items():
            children = list(hierarchy.roots if node == -1 else hierarchy.children[node])
            children.sort(key=lambda child: (-similarity[child], child))
            for child in children[: level + 2]:
                scores[child] = max(scores.get(child, 0.0), path_score * similarity[child])
        best = sorted(scores, key=lambda child: (-scores[child], child))[: (level + 2) ** 2]
        kept = {child: scores[child] for child in best if child not in stayed}
        stayed |= set(kept)
        level += 1
    return stayed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["tree", "graph"])
def test_the_search_against_the_papers_words(seed, kind):
    hierarchy = tree(4, 3) if kind == "tree" else random_hierarchy(seed, 20)
    similarity = np.random.default_rng(seed).random((10, len(hierarchy))).astype(np.float32)
    stayed = search_top_down(hierarchy, 10, lambda needed: similarity)
    for row in range(10):
        assert set(np.flatnonzero(stayed[row])) == naive_search(hierarchy, similarity[row])


def test_a_document_meets_tens_of_classes_and_not_all():
    hierarchy = tree(8, 3)  # 584 classes
    calls: list[int] = []

    def score(pairs):
        calls.append(len(pairs))
        return np.array([(int(text) * 31 + int(name) * 17) % 101 / 101 for text, name in pairs])

    scores = search_scores(["1", "2", "3"], hierarchy.names, hierarchy, score)
    scored = ~np.isnan(scores)
    # 8 roots; the children of the 2 best; of 2 x 3 proposed classes the best 9 stay: the children of all 6
    assert scored.sum(axis=1).tolist() == [8 + 2 * 8 + 6 * 8] * 3
    assert calls == [24, 48, 144]


def test_every_pair_of_a_flat_list_is_scored():
    hierarchy = Hierarchy(("0", "1", "2"), ("a", "b", "c"), ((),) * 3, ())
    scores = search_scores(["x"], ["a", "b", "c"], hierarchy, lambda pairs: np.linspace(0.1, 0.9, len(pairs)))
    assert not np.isnan(scores).any()


@pytest.fixture(scope="module")
def nli_folder(encoder_folder, tmp_path_factory):
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("nli")
    AutoTokenizer.from_pretrained(encoder_folder).save_pretrained(folder)
    torch.manual_seed(1)
    labels = {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}
    config = BertConfig.from_pretrained(encoder_folder, id2label=labels, initializer_range=0.5)
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_pairs_are_scored_by_the_softmax_of_the_entailment_label(nli_folder):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, label = open_cross_encoder(str(nli_folder), 32, "cpu")
    assert label == 2
    pairs = [("a red fox", "this is a fox"), ("b", "this text is about tea and more"), ("long " * 40, "c")]
    scores = pair_scorer(model, label, 2, ["cpu"])(pairs)
    tokenizer = AutoTokenizer.from_pretrained(nli_folder)
    plain = AutoModelForSequenceClassification.from_pretrained(nli_folder).eval()
    for pair, score in zip(pairs, scores, strict=True):
        tokens = tokenizer(*pair, truncation=True, max_length=32, return_tensors="pt")
        with torch.no_grad():
            expected = plain(**tokens).logits.softmax(-1)[0, 2]
        assert score == pytest.approx(float(expected), abs=1e-5)


def test_a_model_without_an_entailment_label_is_named(nli_folder, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(nli_folder)
    model.config.id2label, model.config.label2id = {0: "yes", 1: "no", 2: "may"}, {"yes": 0, "no": 1, "may": 2}
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(nli_folder).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="none of its labels is `entailment`: yes, no, may"):
        open_cross_encoder(str(tmp_path), 32, "cpu")


def test_a_model_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputError, match="neither a folder nor a model that the hub gives") as error:
        open_cross_encoder(str(tmp_path / "none"), 32, "cpu")
    assert "\n" not in str(error.value)
