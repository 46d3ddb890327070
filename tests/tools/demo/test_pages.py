"""A page's class, orientation and neighbours, against the command and naive versions."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from reprise.core.errors import InputError
from reprise.documents.data.images import cache_size, decode
from reprise.documents.network.views import average_views, turn
from reprise.documents.predict import predict_block
from reprise.tools.demo import neighbours as module
from reprise.tools.demo import pages as own
from reprise.tools.demo.neighbours import open_neighbours, pooled_features
from reprise.tools.demo.pages import (
    Pages,
    classify_page,
    describe_orientation,
    explain_page,
    image_of,
    open_pages,
    overlay,
    read_page,
    row_of,
    turned,
    view_weights,
)
from tests.documents.helpers import draw_page
from tests.tools.demo.helpers import write_pages, write_prepared_pages
from tests.tools.demo.reports import unwatched


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write_pages(folder)
    return folder


@pytest.fixture
def ensemble(models):
    return open_pages(models).ensemble


@pytest.fixture
def beside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_page("dots", 70, 120).crop((0, 0, 120, 80)).save("wide.png")
    return tmp_path


@pytest.fixture(autouse=True)
def without_maps(monkeypatch):
    """Maps need an optional package; test_activation.py is about them."""
    monkeypatch.setattr(own, "mean_activation", lambda *_: None)


def test_the_record_is_that_of_the_command(models, ensemble, beside):
    page = read_page(beside / "wide.png", ensemble.image_size)
    (told,) = predict_block([beside / "wide.png"], ensemble, 60)
    answer = explain_page(page, Pages(ensemble, models), unwatched)
    del told["path"]
    assert {key: answer.record[key] for key in told} == told
    assert answer.record["name"] == "wide.png"
    assert "path" not in answer.record
    assert answer.record["nearest_pages"] == answer.nearest == []
    listed = classify_page(page, ensemble)
    assert listed == {key: answer.record[key] for key in listed}
    assert row_of(listed) == [
        "wide.png", told["class_name"], f"{told['probability']:.2f}", answer.record["orientation"]["found"]
    ]  # fmt: skip


@pytest.mark.parametrize("classes", [3, 5])
def test_views_weigh_as_they_do_in_the_average(classes):
    logits = np.random.default_rng(0).normal(0, 2, (8, 1, classes + 1))
    weights = view_weights(logits, classes, 0.6)
    scaled = np.exp(logits[:, 0, :classes] / 0.6)
    each = scaled / scaled.sum(1, keepdims=True)
    assert weights @ each == pytest.approx(average_views(logits, classes, 0.6)[0])
    assert view_weights(logits, classes + 1, 0.6) is None, "no output says that a page is not upright"
    assert view_weights(logits[:1], classes, 0.6) is None, "one view is nothing to choose from"


@pytest.mark.parametrize("view", range(8))
def test_a_picture_is_turned_as_the_networks_see_it(view):
    image = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)
    as_tensor = turn(torch.from_numpy(image).permute(2, 0, 1)[None], view)[0].permute(1, 2, 0)
    assert (turned(image, view) == as_tensor.numpy()).all()


@pytest.mark.parametrize(
    ("how", "view", "words"),
    [
        (lambda page: page, 0, "upright"),
        (lambda page: page.transpose(Image.Transpose.ROTATE_270), 1, "a quarter turn clockwise"),
        (lambda page: page.transpose(Image.Transpose.ROTATE_180), 2, "upside down"),
        (lambda page: page.transpose(Image.Transpose.ROTATE_90), 3, "a quarter turn counter-clockwise"),
        (lambda page: page.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 4, "mirrored"),
    ],
)
def test_how_a_page_lies_is_told_in_words_that_are_right(how, view, words):
    page = draw_page("bars", 3)
    lying = np.asarray(how(page))
    assert (turned(lying, view) == np.asarray(page)).all()
    weights = np.full(8, 0.01)
    weights[view] = 0.93
    told = describe_orientation(tuple(range(8)), weights)
    assert told == {"found": words, "view": view, "probability": 0.93}


def test_without_orientation_the_page_stays_as_it_came(tmp_path, beside):
    write_pages(tmp_path / "fixed", orientation="fixed")
    pages = open_pages(tmp_path / "fixed")
    page = read_page(beside / "wide.png", pages.ensemble.image_size)
    answer = explain_page(page, pages, unwatched)
    assert answer.record["orientation"] is None
    assert (answer.upright == page.shown).all()
    assert row_of(answer.record)[3] == "not told"


def test_a_person_sees_the_page_in_its_own_proportions(beside):
    assert read_page(beside / "wide.png", 32).shown.shape == (80, 120, 3)
    exif = Image.Exif()
    exif[274] = 6
    Image.open("wide.png").save("turned.jpg", exif=exif)
    assert read_page(beside / "turned.jpg", 32).shown.shape == (120, 80, 3)
    Image.new("RGB", (4000, 10), "white").save("long.png")
    page = read_page(beside / "long.png", 32)
    assert page.shown.shape == (2, own.SHOWN, 3)
    assert "constant" in page.handled


def test_a_bad_image_is_the_line_of_the_command_with_the_files_own_name(beside):
    (beside / "text.png").write_text("not a picture")
    with pytest.raises(InputError) as ours:
        read_page(beside / "text.png", 32)
    with pytest.raises(InputError) as theirs:
        decode(beside / "text.png", cache_size(32), 200)
    assert str(ours.value) == str(theirs.value).replace(f"{beside}/", "")
    assert row_of({"name": "text.png", "error": str(ours.value)}) == ["text.png", str(ours.value), "", ""]


def test_the_nearest_pages_are_the_nearest_by_their_features(models, ensemble, beside):
    stored = write_prepared_pages()
    told = []
    found = open_neighbours(ensemble.folds[0], models / "fold-0.safetensors", lambda *step: told.append(step[:2]))
    assert found is not None
    assert told == [(0, 9)]
    naive = []
    network = ensemble.folds[0].classifier
    seen: dict[str, torch.Tensor] = {}
    network.network.global_pool.register_forward_hook(lambda _, __, output: seen.update(pooled=output.flatten(1)))
    for pixels in stored:
        with torch.no_grad():
            network(image_of(pixels, 0, 32))
        naive.append((seen["pooled"] / seen["pooled"].norm())[0].numpy())
    assert found.features == pytest.approx(np.stack(naive), abs=1e-5)
    nearest = found.nearest(found.features[4], 3)
    assert (nearest[0].row, nearest[0].name, nearest[0].class_name) == (4, "columns4.png", "columns")
    assert nearest[0].similarity == pytest.approx(1, abs=1e-4)
    order = sorted(range(9), key=lambda row: -float(naive[row] @ naive[4]))[:3]
    assert [each.row for each in nearest] == order


def test_features_are_computed_once_for_a_network_and_its_pages(models, ensemble, beside):
    write_prepared_pages()
    steps = []
    for _ in range(2):
        open_neighbours(ensemble.folds[0], models / "fold-0.safetensors", lambda *step: steps.append(step))
    assert len(steps) == 1
    open_neighbours(ensemble.folds[1], models / "fold-1.safetensors", lambda *step: steps.append(step))
    assert len(steps) == 2, "another network"
    write_prepared_pages(10)
    open_neighbours(ensemble.folds[0], models / "fold-0.safetensors", lambda *step: steps.append(step))
    assert len(steps) == 3, "other pages"


def test_pages_of_other_classes_are_refused(models, ensemble, beside, monkeypatch):
    write_prepared_pages()
    monkeypatch.setattr(module, "read_json", lambda path: {"names": ["a", "b", "c"]})
    with pytest.raises(InputError, match="not the pages that the models learnt from; run `dvc repro`"):
        open_neighbours(ensemble.folds[0], models / "fold-0.safetensors", unwatched)


def test_a_turned_training_page_finds_itself(models, ensemble, beside, monkeypatch):
    """The features are those of the page in the view in which it was found to stand upright."""
    stored = write_prepared_pages()
    monkeypatch.setattr(own, "view_weights", lambda *_: np.eye(8)[1])
    lying = own.Page("lying.png", turned(stored[5], 3), turned(stored[5], 3), ())
    answer = explain_page(lying, Pages(ensemble, models), unwatched)
    assert answer.record["nearest_pages"][0]["file"] == "dots5.png"
    assert answer.record["nearest_pages"][0]["similarity"] > 0.999
    assert (answer.upright == stored[5]).all()
    picture, caption = answer.nearest[0]
    assert (picture == stored[5]).all(), "without its file, what the networks learnt from"
    assert caption == "dots, 1.00"


def test_a_training_page_is_shown_from_its_file_only_while_that_is_the_same(beside):
    draw_page("dots", 2, 120).save("dots2.png")
    stored = decode(beside / "dots2.png", 36, 200).pixels
    found = module.Neighbours(pd.DataFrame(), np.stack([stored]), np.zeros((1, 1)), ())
    assert own.training_page(0, "dots2.png", found, beside).shape == (120, 120, 3)
    assert (own.training_page(0, "gone.png", found, beside) == stored).all()
    assert (own.training_page(0, "dots2.png", found, None) == stored).all()
    draw_page("bars", 50, 120).save("dots2.png")
    assert (own.training_page(0, "dots2.png", found, beside) == stored).all(), "another page by now"


def test_features_have_norm_one_whatever_the_batch(ensemble):
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    features = pooled_features(ensemble.folds[0], images)
    assert np.linalg.norm(features, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert features[2:3] == pytest.approx(pooled_features(ensemble.folds[0], images[2:3]), abs=1e-5)


def test_a_map_colours_where_it_is_high_and_leaves_print_dark():
    page = np.full((40, 60, 3), 255, np.uint8)
    page[:, 10] = 0
    heat = np.zeros((4, 6))
    heat[1, 4] = 1
    mixed = overlay(page, heat)
    assert mixed.shape == page.shape
    assert (mixed[15, 45] == own.COLOUR).all()
    assert (mixed[35, 30] == 255).all()
    assert (mixed[:, 10] == 0).all()
