"""Pictures of an evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from reprise.core.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 30
WORST_NAMED = 5
COLOURS = ("#999999", "#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito: distinct with any colour vision


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def headline_bars(rows: dict[str, dict[str, Any]], metrics: Sequence[str], path: Path) -> None:
    """Draw the headline metrics as bars, a colour for each classifier; example-F1 with its 95 % interval."""
    figure = _figure(10, 4.5)
    axes = figure.add_subplot()
    width = 0.8 / len(rows)
    for number, (name, values) in enumerate(rows.items()):
        places = np.arange(len(metrics)) + (number - (len(rows) - 1) / 2) * width
        heights = [values.get(metric, 0.0) for metric in metrics]
        bars = axes.bar(places, heights, width * 0.94, label=name.replace("_", "-"), color=COLOURS[number])
        axes.bar_label(bars, fmt="%.2f", fontsize=7, padding=2)
        if "example_f1_ci95" in values:
            low, high = values["example_f1_ci95"]
            axes.errorbar(places[0], heights[0], [[heights[0] - low], [high - heights[0]]], color="black", capsize=3)
    axes.set_xticks(range(len(metrics)), [metric.replace("_", " ") for metric in metrics])
    axes.set_ylim(0, 1.08)
    axes.set_ylabel("score on the test documents")
    axes.set_title("Zero-shot similarity against the trained classifiers (bar on example F1: 95 % bootstrap interval)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=len(rows), loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False)
    save_figure(figure, path)


def confusion_matrix(pairs: pd.DataFrame, path: Path) -> None:
    """Draw the share of each true top-level class's documents by predicted class, for the 30 most frequent classes."""
    names = pairs["actual"].value_counts().index[:MOST_CLASSES].tolist()
    counts = pd.crosstab(pairs["actual"], pairs["predicted"]).reindex(index=names, columns=names, fill_value=0)
    shares = counts.to_numpy() / np.maximum(counts.to_numpy().sum(axis=1, keepdims=True), 1)
    side = 3.5 + 0.42 * max(len(names), 4)
    figure = _figure(side + 0.8, side)
    axes = figure.add_subplot()
    if names:
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(image, ax=axes, label="share of the true class's documents", shrink=0.8)
        if len(names) <= 12:
            for row, column in np.ndindex(shares.shape):
                if shares[row, column] >= 0.005:
                    colour = "white" if shares[row, column] > 0.5 else "black"
                    text = f"{shares[row, column]:.2f}"
                    axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Top-level classes, self-trained classifier\n(test documents with one true and one predicted)")
    save_figure(figure, path)


def f1_by_silver(table: pd.DataFrame, path: Path) -> None:
    """Draw each class's test F1 over its number of silver documents, coloured by level; the worst are named."""
    from matplotlib.ticker import StrMethodFormatter, SymmetricalLogLocator

    figure = _figure(9, 5)
    axes = figure.add_subplot()
    if "f1" in table:
        table = table[table["support"] > 0]
        for number, (level, part) in enumerate(table.groupby("level")):
            colour = COLOURS[(number + 1) % len(COLOURS)]
            axes.scatter(part["silver_documents"], part["f1"], s=22, alpha=0.8, color=colour, label=f"level {level}")
        worst = table.nsmallest(WORST_NAMED, ["f1", "silver_documents"])
        for number, (_, row) in enumerate(worst.iterrows()):
            side, align = ((7, -3), "left") if number % 2 else ((-7, -3), "right")  # so that neighbours do not overlap
            place = (row["silver_documents"], row["f1"])
            axes.annotate(row["name"], place, xytext=side, textcoords="offset points", fontsize=8, ha=align)
        axes.legend(frameon=False)
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.set_xlim(left=max(0.6 * table["silver_documents"].min(), -0.2) or -0.2)
    axes.set_ylim(-0.03, 1.05)
    axes.set_xlabel("training documents with the class or a descendant as core class (logarithmic)")
    axes.set_ylabel("F1 on the test documents")
    axes.set_title("F1 of each class, self-trained classifier")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    save_figure(figure, path)
