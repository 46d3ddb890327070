"""Pictures of the deepfake task, of nothing and of odd names."""

import itertools

import numpy as np
import pytest

from reprise.deepfake.quality import plots
from reprise.deepfake.quality.metrics import equal_error_rate
from reprise.deepfake.quality.plots import SHOWN, plot_det, plot_explanations, plot_localisation
from tests.drawn import keep_figures

ODD = "$a$ <b> " + "n" * 60


@pytest.fixture
def kept(monkeypatch):
    yield from keep_figures(monkeypatch, plots)


def texts_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_det_curve_is_in_percent_everywhere(kept, tmp_path):
    generator = np.random.default_rng(0)
    spoof = generator.random(80) < 0.5
    scores = {name: generator.normal(0, 1, 80) - spoof for name in ("detector", ODD)}
    plot_det(tmp_path / "a.png", scores, spoof)
    (legend,) = kept[0].legends
    rate = 100 * equal_error_rate(scores["detector"], spoof)
    assert legend.get_texts()[0].get_text() == f"detector: EER {rate:.1f} %"
    (axes,) = kept[0].axes
    assert "%" in axes.get_xlabel()
    assert "lower is better" in axes.get_title()
    box = legend.get_window_extent()
    assert not box.overlaps(axes.xaxis.label.get_window_extent())
    assert box.y0 >= 0


def test_a_system_without_errors_is_a_point(kept, tmp_path):
    plot_det(tmp_path / "a.png", {"detector": np.array([0.0, 0.0, 1.0])}, np.array([True, True, False]))
    assert kept[0].axes[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize(("scores", "spoof"), [({}, []), ({"detector": np.ones(2)}, [True, True])])
def test_one_class_has_no_det_curve(kept, tmp_path, scores, spoof):
    plot_det(tmp_path / "a.png", scores, np.array(spoof, dtype=bool))
    assert texts_of(kept[0])[0].startswith("It takes natural speech and spoofs")


def test_explanations_of_nothing_and_of_long_names(kept, tmp_path):
    plot_explanations(tmp_path / "a.png", [])
    assert texts_of(kept[0]) == ["No utterances."]
    wave = {"samples": np.zeros(16000, np.float32), "importance": {"ema": np.ones(5), ODD: np.ones(5)}}
    empty = {"samples": np.zeros(0, np.float32), "importance": {}, "title": "empty"}
    plot_explanations(tmp_path / "a.png", [wave | {"title": ODD * 3, "spans": [(0.2, 0.4)]}, empty])
    figure = kept[1]
    assert "No samples." in texts_of(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()][::2] == ["ema", "known to be spoofed"]
    titles = [axes.title.get_window_extent() for axes in figure.axes if axes.get_title()]
    for one, other in itertools.combinations(titles, 2):
        assert not one.overlaps(other)
    assert all("(" in axes.get_ylabel() or axes.get_ylabel() == "amplitude" for axes in figure.axes[:3])


def test_what_was_not_measured_is_said(kept, tmp_path):
    keys = list(SHOWN)
    report: dict[str, dict[str, float | None]] = {"ema": dict.fromkeys(keys, 0.5), ODD: dict.fromkeys(keys, None)}
    plot_localisation(tmp_path / "a.png", report)
    assert texts_of(kept[0]) == ["0.50", "not measured"] * len(keys)
    lower = [axes.get_xlabel() for axes in kept[0].axes if "lower is better" in axes.get_xlabel()]
    assert len(lower) == 1
    plot_localisation(tmp_path / "a.png", {})
    assert texts_of(kept[1]) == ["No explainers."] * len(keys)
