"""The pictures of how good the networks are."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from reprise.core.figures import HIGHER, label, save_figure, say, set_title

BLUE, RED = "#7aa6d1", "#c44e52"
TITLES = {"before": "as the folds give them", "after": "calibrated"}


def plot_reliability(path: Path, curves: "dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]") -> None:
    """Draw accuracy against confidence in equal bins, one panel a curve.

    Args:
        path: the PNG.
        curves: title -> (bins,) mean confidence, (bins,) accuracy, (bins,) pages; bins without a page hold NaN.
    """
    figure, panels = plt.subplots(
        1, len(curves), figsize=(4.2 * len(curves), 4.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (title, (confidence, accuracy, pages)) in zip(panels[0], curves.items(), strict=True):
        set_title(axes, label(TITLES.get(title, title)), 10)
        if not pages.sum():
            say(axes, "No pages.")
            continue
        edges = np.linspace(0, 1, len(pages) + 1)
        axes.bar(edges[:-1], accuracy, np.diff(edges), align="edge", color=BLUE, edgecolor="white", label="accuracy")
        axes.plot([0, 1], [0, 1], color="#666666", linewidth=1, linestyle="--", label="perfect: accuracy = confidence")
        sizes = 6 + 160 * pages / max(1, pages.max())
        points = {"color": RED, "zorder": 3, "clip_on": False}  # those at the edge are drawn whole
        axes.scatter(confidence, accuracy, s=sizes, label="pages (larger: more of them)", **points)
        axes.set(xlabel="confidence (mean of the bin)", xlim=(0, 1), ylim=(0, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("accuracy (share of the bin's pages)")
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=8, loc="outside lower center", ncols=3, frameon=False, markerscale=0.5)
    set_title(figure, "Reliability of the probabilities, out of fold")
    save_figure(figure, path)


def plot_corruptions(path: Path, robust: dict[str, Any], clean: float) -> None:
    """Draw macro-F1 on corrupted pages, `robust` of evaluation.json, beside that of pages as they are."""
    scores = {**robust["per_corruption"], "all together": robust["macro_f1"]}
    figure, axes = plt.subplots(figsize=(6.5, 0.32 * len(scores) + 1.7), layout="constrained")
    axes.barh(range(len(scores)), list(scores.values()), color=BLUE, height=0.7)
    for place, score in enumerate(scores.values()):  # beside the axis' end, where the line is not
        axes.text(1.03, place, f"{score:.3f}", va="center", fontsize=8)
    line = axes.axvline(
        clean, color=RED, linewidth=1, linestyle="--", label=f"all pages as they are, one view: {clean:.3f}"
    )
    axes.set_yticks(range(len(scores)), [label(name) for name in scores])
    axes.invert_yaxis()
    axes.set(xlabel=f"macro-F1, out of fold ({HIGHER})", xlim=(0, 1.12), xticks=np.linspace(0, 1, 6))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=[line], fontsize=8, loc="outside lower right", frameon=False)
    set_title(axes, "Macro-F1 on corrupted copies of the training pages")
    save_figure(figure, path)
