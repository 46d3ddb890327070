"""The picture of how many pages each class has."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from reprise.core.figures import label, save_figure, say, set_title, side


def plot_class_distribution(path: Path, pages: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw the training pages of each class by fold; `pages` has the columns target and fold."""
    counts = pd.crosstab(pages["target"], pages["fold"]).reindex(range(len(names)), fill_value=0)
    figure, axes = plt.subplots(figsize=(7.5, side(0.26 * max(len(names), 4) + 1.4)), layout="constrained")
    set_title(axes, "Training pages of each class, by the fold that they are validated in")
    if not len(pages):
        say(axes, "No training pages.")
        save_figure(figure, path)
        return
    left = np.zeros(len(names))
    for fold in counts:
        axes.barh(range(len(names)), counts[fold], left=left, label=f"fold {fold}", height=0.75)
        left += counts[fold].to_numpy()
    axes.set_yticks(range(len(names)), [label(name) for name in names], fontsize=9)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 1.03 * left.max())
    axes.set_xlabel("training pages (count)")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
