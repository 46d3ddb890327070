"""The picture of how many pages each class has."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from reprise.core.figures import save_figure


def plot_class_distribution(path: Path, pages: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw the training pages of each class by fold; `pages` has the columns target and fold."""
    counts = pd.crosstab(pages["target"], pages["fold"]).reindex(range(len(names)), fill_value=0)
    figure, axes = plt.subplots(figsize=(7, 0.26 * len(names) + 1))
    left = np.zeros(len(names))
    for fold in counts:
        axes.barh(range(len(names)), counts[fold], left=left, label=f"fold {fold}", height=0.75)
        left += counts[fold].to_numpy()
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("training pages")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
