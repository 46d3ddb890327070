"""Pictures of an evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import SymmetricalLogLocator

from reprise.core.confusion import count_pairs
from reprise.core.figures import HIGHER, label, plot_confusion, save_figure, say, set_title

WORST_NAMED = 5
COLOURS = ("#999999", "#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: distinct with any colour vision
SHORT = {
    "example_f1": "example F1",
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "p_at_1": "precision at 1",
    "mrr": "reciprocal rank",
    "hierarchical_f1": "hierarchical F1",
}
NO_LABELS = "There are no labels of the test documents: nothing is scored."


def headline_bars(rows: dict[str, dict[str, Any]], metrics: Sequence[str], path: Path) -> None:
    """Draw the headline metrics as bars, a colour for each classifier; example-F1 with its 95 % interval."""
    figure, axes = plt.subplots(figsize=(10, 4.5), layout="constrained")
    set_title(axes, "Zero-shot similarity against the trained classifiers")
    if not any(metric in values for values in rows.values() for metric in metrics):
        say(axes, NO_LABELS)
        save_figure(figure, path)
        return
    width = 0.8 / len(rows)
    for number, (name, values) in enumerate(rows.items()):
        places = np.arange(len(metrics)) + (number - (len(rows) - 1) / 2) * width
        heights = [values.get(metric, 0.0) for metric in metrics]
        bars = axes.bar(places, heights, width * 0.94, label=label(name.replace("_", "-")), color=COLOURS[number])
        tops = [0.0] * len(metrics)
        if "example_f1_ci95" in values:
            low, high = values["example_f1_ci95"]
            errors = [[max(0.0, heights[0] - low)], [max(0.0, high - heights[0])]]
            axes.errorbar(places[0], heights[0], errors, color="black", capsize=3)
            tops[0] = high - heights[0]
        for bar, height, above in zip(bars, heights, tops, strict=True):  # above the interval, not across it
            axes.annotate(
                f"{height:.2f}",
                (bar.get_x() + bar.get_width() / 2, height + above),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    axes.set_xticks(range(len(metrics)), [SHORT.get(metric, metric.replace("_", " ")) for metric in metrics])
    axes.set(ylim=(0, 1.08), ylabel=f"score on the test documents\n({HIGHER})")
    axes.set_xlabel("metric (black bar on example F1: 95 % bootstrap interval)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(ncols=len(rows), loc="outside lower center", frameon=False)
    save_figure(figure, path)


def confusion_matrix(pairs: pd.DataFrame, path: Path) -> None:
    """Draw how often each top-level class is predicted for each; `pairs` has the columns actual and predicted."""
    names, matrix = count_pairs(pairs["actual"].tolist(), pairs["predicted"].tolist())
    title = "Top-level classes, self-trained classifier (test documents with one true and one predicted)"
    plot_confusion(path, matrix, names, title, "documents")


def f1_by_silver(table: pd.DataFrame, path: Path) -> None:
    """Draw each class's test F1 over its number of silver documents, coloured by level; the worst are named."""
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    set_title(axes, "F1 of each class, self-trained classifier")
    if "f1" not in table or not (table["support"] > 0).any():
        say(axes, NO_LABELS)
        save_figure(figure, path)
        return
    table = table[table["support"] > 0]
    for number, (level, part) in enumerate(table.groupby("level")):
        colour = COLOURS[(number + 1) % len(COLOURS)]
        axes.scatter(part["silver_documents"], part["f1"], s=22, alpha=0.8, color=colour, label=f"level {level}")
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{round(value)}" if value >= 0 else "")
    fewest, most = table["silver_documents"].min(), table["silver_documents"].max()
    axes.set_xlim(0.6 * fewest or -0.2, max(1.6 * most, 10))
    axes.set_ylim(-0.03, 1.05)
    axes.set_xlabel("training documents with the class or a descendant as core class (count, logarithmic)")
    axes.set_ylabel(f"F1 on the test documents ({HIGHER})")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    name_worst(axes, table.nsmallest(WORST_NAMED, ["f1", "silver_documents"]))
    save_figure(figure, path)


def name_worst(axes: plt.Axes, worst: pd.DataFrame) -> None:
    """Number the worst classes' points, one number list a point, and name them beside the drawing."""
    numbered = worst.reset_index(drop=True)
    for (documents, score), own in numbered.groupby(["silver_documents", "f1"]):
        text = ", ".join(str(number + 1) for number in own.index)
        axes.annotate(text, (documents, score), xytext=(4, 3), textcoords="offset points", fontsize=8)
    lines = [
        f"{number + 1}  {label(row['name'])}: {row['f1']:.2f}"
        for number, row in zip(numbered.index.tolist(), numbered.to_dict("records"), strict=True)
    ]
    levels = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
    axes.add_artist(levels)
    empty = [plt.Line2D([], [], linestyle="") for _ in lines]
    axes.legend(
        empty,
        lines,
        loc="lower left",
        bbox_to_anchor=(1.01, 0),
        handlelength=0,
        frameon=False,
        fontsize=8,
        title="lowest F1",
        title_fontsize=8,
    )
