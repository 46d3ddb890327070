"""Pictures of nothing, of one and of many classes: no text lies on another, and none is cut off."""

import itertools
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from reprise.core import figures
from reprise.core.figures import LONGEST_LABEL, label, plot_confusion, plot_contact_sheet, set_title
from tests.drawn import keep_figures

ODD = ("$a$ and $b$", "<b>bold</b> & <i>", "n" * 60, "x\x1b[31m")


@pytest.fixture
def kept(monkeypatch):
    yield from keep_figures(monkeypatch, figures)


def boxes(figure, axes):
    """Where the tick labels of an axis and the title lie."""
    ticks = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.title]
    return [text.get_window_extent() for text in ticks if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("count", [1, 2, 17, 150])
def test_labels_of_a_confusion_matrix_do_not_overlap(kept, tmp_path, count):
    names = [*ODD, *(f"class {number}" for number in range(150))][:count]
    matrix = np.diag(np.arange(1, count + 1))
    matrix[0, -1] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_confusion(tmp_path / "a.png", matrix, names, "Classes of " + "a long title " * 8, "pages")
    (figure,) = kept
    axes = figure.axes[0]
    assert len(axes.get_xticks()) == min(count, figures.MOST_CLASSES)
    assert ("60 most confused of 150" in axes.get_title()) == (count == 150)
    for one, other in itertools.combinations(boxes(figure, axes), 2):
        overlap = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
        assert min(overlap) <= 1, "pixels"


@pytest.mark.parametrize("count", [0, 3])
def test_a_sentence_stands_for_a_matrix_of_nothing(kept, tmp_path, count):
    plot_confusion(tmp_path / "a.png", np.zeros((count, count), int), list(ODD[:count]), "Classes", "pages")
    (axes,) = kept[0].axes
    assert [text.get_text().replace("\n", " ") for text in axes.texts] == ["No pages with a label and a prediction."]
    assert axes.get_title() == "Classes"


def test_counts_are_where_they_belong(kept, tmp_path):
    plot_confusion(tmp_path / "a.png", np.array([[3, 1], [0, 2]]), ["a", "b"], "Classes", "pages")
    found = {text.get_position(): text.get_text() for text in kept[0].axes[0].texts}
    assert found == {(0, 0): "3", (1, 0): "1", (1, 1): "2"}


@pytest.mark.parametrize("count", [0, 1, 7])
def test_captions_of_a_contact_sheet_stay_below_their_pictures(kept, tmp_path, count):
    pages = np.zeros((count, 8, 8, 3), np.uint8)
    caption = "\n".join(["W" * 60, "label: $a$", "model: 0.5 <b>"])
    plot_contact_sheet(tmp_path / "a.png", [("first", pages, [caption] * count), ("second", pages[:0], [])], "None.")
    (figure,) = kept
    texts = [text for axes in figure.axes for text in axes.texts]
    assert [text.get_text() for text in texts].count("None.") == (2 if count == 0 else 1)
    extents = [text.get_window_extent() for text in [*texts, *figure.texts]]
    for one, other in itertools.combinations(extents, 2):
        assert not (one.overlaps(other)), "texts overlap"
    for axes in figure.axes[:count]:
        assert not any(axes.get_position().transformed(figure.transFigure).overlaps(extent) for extent in extents)


def test_equal_pictures_are_equal_files(tmp_path):
    for name in ("a.png", "b.png"):
        plot_confusion(tmp_path / name, np.eye(2, dtype=int), ["a", "b"], "Classes", "pages")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 200


def test_labels_and_titles_are_cut_and_wrapped():
    assert label("n" * 60) == "n" * (LONGEST_LABEL - 1) + "…"
    assert label("a\nb") == r"a\nb"
    figure, axes = plt.subplots(figsize=(3, 2))
    set_title(axes, "a title " * 10)
    assert axes.get_title().count("\n") == 2
    plt.close(figure)
