"""The reasons of a text's classes, against naive versions of them."""

import itertools

import numpy as np
import pytest

from reprise.core.errors import InputError
from reprise.taxonomy.predict import Document, open_torch, predict_by
from reprise.tools.demo import texts as module
from reprise.tools.demo.texts import Texts, class_tree, classify_documents, explain_text, open_texts, read_templates
from tests.taxonomy.hierarchies import naive_paths, random_hierarchy
from tests.tools.demo.helpers import HIERARCHY, write_texts
from tests.tools.demo.reports import unwatched

TEXT = "the kettle  boils water\nfor the teapot"


@pytest.fixture(scope="module")
def models(tmp_path_factory, encoder_folder):
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder, encoder_folder)
    return folder


@pytest.fixture(scope="module")
def texts(models):
    return Texts(open_texts(models).predictor, ("{name}", "{parent}: {name}"))


def test_the_record_is_that_of_the_command_and_its_reasons(texts, models):
    record = explain_text(TEXT, texts, unwatched)
    (told,) = predict_by(open_torch(models, None, "cpu"), [Document("0", TEXT)], 5)
    assert {key: record[key] for key in ("classes", "top")} == {key: told[key] for key in ("classes", "top")}
    assert not record["about_none"]
    assert record["target"]["path"] == max((c for c in told["classes"]), key=lambda c: c["probabilities"][-1])["path"]
    chosen = {identifier for found in told["classes"] for identifier in found["ids"]}
    assert {row["id"] for row in record["tree"] if row["chosen"]} == chosen
    assert not chosen & {other["id"] for other in record["runner_ups"]}
    leaves = [entry for entry in told["top"] if entry["id"] not in chosen]
    assert [other["id"] for other in record["runner_ups"]] == [entry["id"] for entry in leaves[: module.RUNNER_UPS]]


def test_the_effect_of_a_word_is_what_is_lost_without_it(texts, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    told = []
    record = explain_text(TEXT, texts, lambda *step: told.append(step))
    words = TEXT.split()
    assert [piece["text"] for piece in record["words"]] == words
    target = HIERARCHY.ids.index(record["target"]["id"])

    def odds(content):
        predictor = texts.predictor
        p = predictor.probabilities(predictor.logits(predictor.embed([content], "x", cache=False)))[0, target]
        return np.log(p / (1 - p))

    for place, piece in enumerate(record["words"]):
        rest = " ".join(word for other, word in enumerate(words) if other != place)
        assert piece["effect"] == pytest.approx(odds(" ".join(words)) - odds(rest), abs=1e-3)
    assert told[1:] == [(start, 7, "leaving words out") for start in (0, 3, 6)]


def test_the_nearest_class_texts_are_the_nearest_of_all(texts):
    record = explain_text(TEXT, texts, unwatched)
    written = [(HIERARCHY.names[index], text) for index, own in enumerate(texts.own_texts) for text in own]
    assert ("kettle", "boils water") in written
    assert ("hose", "garden: hose") in written
    embed = texts.predictor.embed
    cosines = (
        embed([text for _, text in written], "x", cache=False) @ embed([" ".join(TEXT.split())], "x", cache=False)[0]
    )
    best = sorted(zip(cosines, written, strict=True), key=lambda pair: -pair[0])[: module.NEAREST]
    assert [near["cosine"] for near in record["nearest_texts"]] == pytest.approx([c for c, _ in best], abs=1e-3)
    assert {(near["class"], near["text"]) for near in record["nearest_texts"]} == {pair for _, pair in best}


def test_about_none_is_said(tmp_path, encoder_folder):
    write_texts(tmp_path, encoder_folder, threshold=10.0)
    record = explain_text(TEXT, open_texts(tmp_path), unwatched)
    assert record["about_none"]
    assert record["classes"] == []
    assert record["evidence"] < record["threshold"] == 10.0
    assert not any(row["chosen"] for row in record["tree"])
    assert record["target"]["id"] == record["runner_ups"][0]["id"] == record["top"][0]["id"]
    assert len(record["words"]) == 7


@pytest.mark.parametrize("seed", range(5))
def test_the_tree_holds_the_best_paths_and_no_other(seed):
    hierarchy = random_hierarchy(seed)
    generator = np.random.default_rng(seed)
    probabilities = np.sort(generator.random(len(hierarchy)))[::-1]  # parents come before their children
    chosen = np.zeros(len(hierarchy), bool)
    end, other = int(hierarchy.leaves[0]), int(hierarchy.leaves[-1])
    chosen[np.flatnonzero(hierarchy.closure[end])] = True
    rows = class_tree(probabilities, chosen, [other], hierarchy)
    found: set[tuple[int, ...]] = set()
    stack: list[int] = []
    for row in rows:
        stack[row["level"] - 1 :] = [int(row["id"])]
        found.add(tuple(stack))
        assert row["chosen"] == chosen[int(row["id"])]
    kept = [hierarchy.best_paths(index, probabilities, count) for index, count in ((end, 4), (other, 1))]
    expected = {path[:depth] for path in itertools.chain(*kept) for depth in range(1, len(path) + 1)}
    assert found == expected
    assert all(path in naive_paths(hierarchy, path[-1]) for path in found)


def test_words_of_a_long_text_go_together():
    words = [f"w{number}" for number in range(1000)]
    pieces = module.split_pieces(" ".join(words))
    assert len(pieces) == module.MOST_PIECES
    assert " ".join(pieces).split() == words
    assert module.split_pieces("a b") == ["a", "b"]


def test_certainty_keeps_log_odds_finite():
    assert np.isfinite(module.log_odds(np.array([0.0, 0.5, 1.0], np.float32))).all()
    assert module.log_odds(np.array(0.75)) == pytest.approx(np.log(3))


def test_a_file_is_classified_as_the_command_does(texts, models, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    documents = [
        Document("a", TEXT),
        Document("2", "", "f:2: no text"),
        Document("c", "spade"),
        Document("d", "x " * 99),
    ]
    told = []
    records = classify_documents(documents, texts, lambda *step: told.append(step[:2]))
    assert records == list(predict_by(open_torch(models, None, "cpu"), documents, 5))
    assert told == [(0, 4), (2, 4)]
    assert module.row_of(records[1]) == ["2", "f:2: no text", ""]
    assert module.row_of({"id": "x", "classes": [], "top": []}) == ["x", "about none of the classes", ""]
    best = records[2]["classes"][0]
    assert module.row_of(records[2])[1].startswith(" › ".join(best["path"]))  # noqa: RUF001


def test_no_text_is_one_line(texts):
    with pytest.raises(InputError, match=r"^no text; expected one or more words$"):
        explain_text(" \n ", texts, unwatched)


def test_templates_come_from_params(tmp_path):
    assert read_templates(tmp_path / "params.yaml") == ("{name}",)
    (tmp_path / "params.yaml").write_text("taxonomy: {similarity: {templates: ['{name}', 'a {name}']}}")
    assert read_templates(tmp_path / "params.yaml") == ("{name}", "a {name}")
    (tmp_path / "params.yaml").write_text("taxonomy: {similarity: {templates: 3}}")
    with pytest.raises(InputError, match=r"taxonomy\.similarity\.templates: expected a list of texts"):
        read_templates(tmp_path / "params.yaml")
