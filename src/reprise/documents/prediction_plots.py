"""Pictures of predictions on new pages: classes, confidence, and the surest and least sure pages. No label is read."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from reprise.core.figures import label, plot_contact_sheet, save_figure, say, set_title
from reprise.core.text import for_terminal

CHARTS, PAGES = "predictions.png", "predicted_pages.png"
MOST_CLASSES = 30
BINS = 20
BLUE = "#0072B2"


def draw_predictions(
    folder: Path,
    ids: Sequence[str],
    predicted: Sequence[str],
    confidences: np.ndarray,
    names: Sequence[str],
    picture: Callable[[int], np.ndarray],
    examples: int = 6,
) -> None:
    """Write CHARTS and PAGES into a folder.

    Args:
        folder: made where it is missing.
        ids: of the N pages.
        predicted: names of their N classes.
        confidences: (N,) probabilities of these.
        names: of all C classes.
        picture: the pixels (S, S, 3) uint8 of the page at a place in `ids`.
        examples: surest pages, and as many least sure ones.
    """
    plot_charts(folder / CHARTS, predicted, confidences, names)
    groups = []
    for title, rows in zip(("Surest", "Least sure"), choose_examples(confidences, examples), strict=True):
        captions = [
            f"{for_terminal(PurePath(ids[row]).name)}\n{confidences[row]:.3f} {for_terminal(predicted[row])}"
            for row in rows
        ]
        pages = np.stack([picture(row) for row in rows]) if rows else np.zeros((0, 1, 1, 3), np.uint8)
        groups.append((f"{title}: {len(rows)} of {len(ids)} predicted pages", pages, captions))
    plot_contact_sheet(folder / PAGES, groups, "No page that is not shown above." if len(ids) else "No pages.")


def choose_examples(confidences: np.ndarray, most: int) -> tuple[list[int], list[int]]:
    """Choose `most` surest pages, and as many least sure ones, which come least sure first; no page is in both."""
    order = np.argsort(-confidences, kind="stable").tolist()
    surest = order[: min(most, -(-len(order) // 2))]
    return surest, order[: len(surest) - 1 : -1][:most] if order else []


def count_classes(predicted: Sequence[str], names: Sequence[str]) -> tuple[list[tuple[str, int]], str]:
    """Count the pages of each class, the most frequent first; of many classes the rest is a note."""
    counted = Counter(predicted)
    rows = sorted(((name, counted[name]) for name in names), key=lambda row: -row[1])
    rest = rows[MOST_CLASSES:]
    note = f"; {len(rest)} other classes: {sum(count for _, count in rest)}" if rest else ""
    return rows[:MOST_CLASSES], note


def plot_charts(path: Path, predicted: Sequence[str], confidences: np.ndarray, names: Sequence[str]) -> None:
    """Draw the number of pages by predicted class, and a histogram of the probabilities of the predicted classes."""
    rows, note = count_classes(predicted, names)
    figure, (classes, histogram) = plt.subplots(
        1, 2, figsize=(11, max(3.6, 0.24 * len(rows) + 1.4)), width_ratios=[1.2, 1], layout="constrained"
    )
    set_title(figure, f"Predictions on new pages ({len(predicted)}); no label was read")
    classes.set_title("predicted classes", fontsize=10)
    histogram.set_title("confidence", fontsize=10)
    if not len(predicted):
        say(classes, "No pages.")
        say(histogram, "No pages.")
        save_figure(figure, path)
        return
    bars = classes.barh(range(len(rows)), [count for _, count in rows], color=BLUE, height=0.75)
    classes.bar_label(bars, padding=2, fontsize=7)
    classes.set_yticks(range(len(rows)), [label(name) for name, _ in rows], fontsize=8)
    classes.set_ylim(len(rows) - 0.4, -0.6)
    classes.set_xlabel(f"pages (count{note})")
    classes.set_xlim(0, 1.1 * max(count for _, count in rows))
    classes.xaxis.set_major_locator(MaxNLocator(integer=True))
    histogram.hist(confidences, bins=BINS, range=(0, 1), color=BLUE, edgecolor="white")
    median = float(np.median(confidences))
    histogram.axvline(median, color="#D55E00", linestyle="--", label=f"median {median:.3f}")
    histogram.set(xlabel="probability of the predicted class (0 to 1)", ylabel="pages (count)", xlim=(0, 1))
    histogram.yaxis.set_major_locator(MaxNLocator(integer=True))
    histogram.legend(loc="upper left", fontsize=8, frameon=False)
    for axes in (classes, histogram):
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
