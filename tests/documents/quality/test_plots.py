"""Pictures of the documents' quality, of nothing and of odd names."""

import itertools

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reprise.documents import class_distribution
from reprise.documents.class_distribution import plot_class_distribution
from reprise.documents.quality import plots
from reprise.documents.quality.plots import plot_corruptions, plot_reliability
from tests.drawn import keep_figures

ODD = ["$a$", "<b>", "n" * 60]


@pytest.fixture
def kept(monkeypatch):
    yield from keep_figures(monkeypatch, plots, class_distribution)


def test_reliability_of_no_page_is_a_sentence(kept, tmp_path):
    nothing = (np.full(5, np.nan), np.full(5, np.nan), np.zeros(5))
    full = (np.linspace(0.1, 0.9, 5), np.linspace(0, 1, 5), np.arange(5))
    plot_reliability(tmp_path / "a.png", {"before": full, "after": nothing})
    before, after = kept[0].axes
    assert [text.get_text() for text in after.texts] == ["No pages."]
    assert (before.get_title(), before.get_xlabel()) == ("as the folds give them", "confidence (mean of the bin)")
    assert not kept[0].legends[0].get_window_extent().overlaps(before.xaxis.label.get_window_extent())


@pytest.mark.parametrize("clean", [0.0, 0.97])
def test_scores_stand_beside_the_line(kept, tmp_path, clean):
    plot_corruptions(tmp_path / "a.png", {"per_corruption": dict.fromkeys(ODD, 0.96), "macro_f1": 0.0}, clean)
    (axes,) = kept[0].axes
    line = axes.lines[0].get_window_extent()
    assert not any(text.get_window_extent().overlaps(line) for text in axes.texts)
    assert [text.get_text() for text in axes.texts] == ["0.960"] * 3 + ["0.000"]


@pytest.mark.parametrize("count", [1, 2, 150])
def test_names_of_classes_do_not_overlap(kept, tmp_path, count):
    names = [*ODD, *(f"class {number}" for number in range(150))][:count]
    pages = pd.DataFrame({"target": np.arange(300) % count, "fold": np.arange(300) % 5})
    plot_class_distribution(tmp_path / "a.png", pages, names)
    extents = [text.get_window_extent() for text in kept[0].axes[0].get_yticklabels()]
    assert len(extents) == count
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in itertools.pairwise(extents))


def test_classes_without_a_page_are_a_sentence(kept, tmp_path):
    plot_class_distribution(tmp_path / "a.png", pd.DataFrame({"target": [], "fold": []}, dtype=int), ODD)
    assert [text.get_text() for text in kept[0].axes[0].texts] == ["No training pages."]


def test_a_picture_is_written(tmp_path):
    plot_corruptions(tmp_path / "a.png", {"per_corruption": {}, "macro_f1": 0.5}, 0.9)
    with Image.open(tmp_path / "a.png") as image:
        assert min(image.size) > 100
