"""Pictures as files: drawn without a screen, whole or absent, equal where what they show is equal."""

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from reprise.core.files import atomic_path


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without a date, so that equal pictures are equal files, and close it."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
