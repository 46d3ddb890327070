"""Figures as PNG files: drawn without a screen, written atomically, byte-equal for equal content."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from reprise.core.confusion import most_confused
from reprise.core.files import atomic_path
from reprise.core.text import for_terminal

mpl.rcParams["text.parse_math"] = False  # two dollar signs in a name are no formula
mpl.rcParams["axes.prop_cycle"] = cycler(  # Okabe and Ito: distinct with any colour vision
    color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000"]
)

LONGEST_SIDE = 100.0  # inches: a picture may have 2**16 pixels a side
LONGEST_LABEL = 40  # characters
MOST_CLASSES = 60  # of a confusion matrix
MOST_COUNTED = 40  # classes up to which counts are written into its cells
LETTER = 0.075  # inches, about, of a letter of 8 points
SHEET_COLUMNS, SHEET_CELL, SHEET_PICTURE, SHEET_ROW, SHEET_TITLE = 6, 2.0, 1.8, 2.4, 0.35  # inches
LOWER, HIGHER = "lower is better", "higher is better"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without a date, so that equal pictures are equal files, and close it."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def side(inches: float) -> float:
    """A figure's side in inches, at most LONGEST_SIDE."""
    return min(inches, LONGEST_SIDE)


def label(name: object, longest: int = LONGEST_LABEL) -> str:
    """A name as a label: one line of at most `longest` characters."""
    text = for_terminal(name)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cut(name: object, inches: float, size: float) -> str:
    """A name as one line of a given font size in points, cut to a width."""
    text = label(name)
    while len(text) > 1 and TextPath((0, 0), text, size=size).get_extents().width > 72 * inches:
        text = text.removesuffix("…")[:-1] + "…"
    return text


def width_of(labels: Sequence[str]) -> float:
    """Inches that labels of 8 points take, about."""
    return LETTER * max(map(len, labels), default=0)


def set_title(place: Axes | Figure, text: str, size: float = 11) -> None:
    """Write a title over axes or a whole figure, in as many lines as its width needs."""
    figure = place if isinstance(place, Figure) else place.get_figure(root=True)
    assert figure is not None
    share = 1.0 if isinstance(place, Figure) else place.get_position().width / 0.8
    letters = max(16, int(share * figure.get_figwidth() * 72 / (0.56 * size)))
    lines = "\n".join(textwrap.fill(line, letters) for line in text.splitlines())
    if isinstance(place, Figure):
        place.suptitle(lines, fontsize=size)
    else:
        place.set_title(lines, fontsize=size)


def say(axes: Axes, sentence: str) -> None:
    """Write a sentence in place of a drawing for which there is nothing; the title stays."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, textwrap.fill(sentence, 36), ha="center", va="center", transform=axes.transAxes, fontsize=10)


def plot_confusion(path: Path, matrix: np.ndarray, names: Sequence[str], title: str, items: str) -> None:
    """Draw a confusion matrix: rows are labels, coloured by share, and counts are written in where they fit.

    Args:
        path: the PNG.
        matrix: (C, C) counts, [label, predicted].
        names: of the C classes. Of more than MOST_CLASSES the most confused are drawn, and the title says so.
        title: above.
        items: what is counted, such as "pages".
    """
    kept = most_confused(matrix, MOST_CLASSES)
    if len(kept) < len(names):
        title += f"\nthe {len(kept)} most confused of {len(names)} classes"
    shares = (matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))[np.ix_(kept, kept)]
    counts, labels = matrix[np.ix_(kept, kept)], [label(names[place]) for place in kept]
    cells = 0.36 * max(len(kept), 4)
    size = side(cells + 1 + width_of(labels))
    figure, axes = plt.subplots(figsize=(max(size + 1, 4.5), size + 0.6), layout="constrained")
    if counts.any():
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(image, ax=axes, label=f"share of the label's {items}", aspect=40, shrink=0.8)
        axes.set_xticks(range(len(kept)), labels, rotation=90, fontsize=8)
        axes.set_yticks(range(len(kept)), labels, fontsize=8)
        axes.set(xlabel="predicted", ylabel="label")
        for row, column in zip(*np.nonzero(counts), strict=True) if len(kept) <= MOST_COUNTED else ():
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:g}", ha="center", va="center", color=colour, fontsize=7)
    else:
        say(axes, f"No {items} with a label and a prediction.")
    set_title(axes, title)
    save_figure(figure, path)


def plot_contact_sheet(path: Path, rows: Sequence[tuple[str, np.ndarray, Sequence[str]]], none: str) -> None:
    """Draw small pictures in groups, each group under its title.

    Args:
        path: the PNG.
        rows: each group's title, pictures (N, S, S, 3) uint8 and N captions, whose lines are cut.
        none: the sentence for a group without pictures.
    """
    heights = [SHEET_TITLE + SHEET_ROW * max(1, -(-len(pages) // SHEET_COLUMNS)) for _, pages, _ in rows]
    width, height = SHEET_CELL * SHEET_COLUMNS, sum(heights)
    figure = plt.figure(figsize=(width, side(height)))
    for number, (title, pages, captions) in enumerate(rows):
        top = height - sum(heights[:number])  # inches from below
        figure.text(0.1 / width, (top - SHEET_TITLE / 2) / height, title, fontsize=10, va="center")
        if not len(pages):
            say(figure.add_axes((0, (top - heights[number]) / height, 1, SHEET_ROW / height)), none)
        for place, (page, caption) in enumerate(zip(pages, captions, strict=True)):
            line, column = divmod(place, SHEET_COLUMNS)
            left, bottom = SHEET_CELL * column + 0.1, top - SHEET_TITLE - SHEET_ROW * line - SHEET_PICTURE
            box = (left / width, bottom / height, SHEET_PICTURE / width, SHEET_PICTURE / height)
            axes = figure.add_axes(box)
            axes.axis("off")
            axes.imshow(page)
            shown = "\n".join(cut(line, SHEET_CELL - 0.1, 7) for line in caption.splitlines())
            axes.text(0.5, -0.03, shown, fontsize=7, ha="center", va="top", transform=axes.transAxes)
    save_figure(figure, path)
