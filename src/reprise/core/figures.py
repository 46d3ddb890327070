"""Pictures as files: drawn without a screen, whole or absent, equal where what they show is equal."""

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from reprise.core.files import atomic_path
from reprise.core.text import for_terminal

mpl.rcParams["text.parse_math"] = False  # two dollar signs in a name are no formula

LONGEST_SIDE = 100.0  # inches: a picture may have 2**16 pixels a side
LONGEST_LABEL = 40  # characters


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without a date, so that equal pictures are equal files, and close it."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def side(inches: float) -> float:
    """A figure's side, within what can be drawn."""
    return min(inches, LONGEST_SIDE)


def label(name: object) -> str:
    """A name as a label: one line, not longer than a picture has room for."""
    text = for_terminal(name)
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
