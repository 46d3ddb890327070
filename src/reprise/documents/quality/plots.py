"""The pictures of how good the networks are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from reprise.core.figures import label, save_figure, side

BLUE, RED = "#7aa6d1", "#c44e52"


def plot_reliability(path: Path, curves: "dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]") -> None:
    """Draw accuracy against confidence in equal bins, one panel a curve.

    Args:
        path: the PNG.
        curves: title -> (bins,) mean confidence, (bins,) accuracy, (bins,) pages; bins without a page hold NaN.
    """
    figure, panels = plt.subplots(1, len(curves), figsize=(4.2 * len(curves), 4), sharey=True, squeeze=False)
    for axes, (title, (confidence, accuracy, pages)) in zip(panels[0], curves.items(), strict=True):
        edges = np.linspace(0, 1, len(pages) + 1)
        axes.bar(edges[:-1], accuracy, np.diff(edges), align="edge", color=BLUE, edgecolor="white", label="accuracy")
        axes.plot([0, 1], [0, 1], color="#666666", linewidth=1, linestyle="--", label="perfect")
        sizes = 6 + 160 * pages / max(1, pages.max())
        axes.scatter(confidence, accuracy, s=sizes, color=RED, zorder=3, label="pages")
        axes.set(title=title, xlabel="confidence", xlim=(0, 1), ylim=(0, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("accuracy")
    panels[0][0].legend(fontsize=8, loc="upper left", frameon=False)
    save_figure(figure, path)


def plot_confusion(path: Path, matrix: np.ndarray, names: Sequence[str]) -> None:
    """Draw a confusion matrix (C, C): rows are labels, scaled to 1; counts are written in."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(side(0.36 * len(names) + 2),) * 2)
    labels = [label(name) for name in names]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), labels, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    if len(names) <= 40:
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=7)
    axes.set(xlabel="predicted", ylabel="label")
    save_figure(figure, path)


def plot_corruptions(path: Path, robust: dict[str, Any], clean: float) -> None:
    """Draw macro-F1 on corrupted pages, `robust` of evaluation.json, beside that of pages as they are."""
    scores = {**robust["per_corruption"], "all together": robust["macro_f1"]}
    figure, axes = plt.subplots(figsize=(6, 0.32 * len(scores) + 1.1))
    bars = axes.barh(list(scores), list(scores.values()), color=BLUE, height=0.7)
    axes.bar_label(bars, [f"{score:.3f}" for score in scores.values()], padding=-30, fontsize=8)
    axes.axvline(clean, color=RED, linewidth=1, linestyle="--")
    axes.text(clean, -0.75, f"as they are, one view: {clean:.3f}", color=RED, fontsize=8, ha="right")
    axes.invert_yaxis()
    axes.set(xlabel="macro-F1, out of fold", xlim=(0, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def plot_contact_sheet(path: Path, pages: np.ndarray, captions: Sequence[str], title: str) -> None:
    """Draw small pictures of pages (N, S, S, 3) uint8 with a caption, of several lines, under each."""
    columns = 6
    rows = max(1, -(-len(pages) // columns))
    figure, panels = plt.subplots(rows, columns, figsize=(2.0 * columns, 2.45 * rows), squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for axes, page, caption in zip(panels.flat[: len(pages)], pages, captions, strict=True):
        axes.imshow(page)
        axes.set_title(caption, fontsize=7, y=-0.32)
    figure.suptitle(title, fontsize=10, y=1.0 - 0.02 / rows)
    save_figure(figure, path)
