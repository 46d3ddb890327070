"""The pictures of the deepfake task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from reprise.core.figures import save_figure
from reprise.core.text import for_terminal
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.quality.metrics import equal_error_rate, error_curve

BLUE, RED, GREY = "#3b6ea5", "#c44e52", "#888888"
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)


def plot_det(path: Path, scores: Mapping[str, np.ndarray], spoof: np.ndarray) -> None:
    """Detection error trade-off (Martin et al. 1997): misses against false alarms on normal deviates.

    Args:
        path: the PNG.
        scores: by system, (N,) each.
        spoof: (N,) bool.
    """
    figure, axes = plt.subplots(figsize=(5.2, 5))
    low, high = norm.ppf(RATES[0]), norm.ppf(0.5)
    for name, values in scores.items():
        curve = error_curve(values, spoof)
        x, y = (np.clip(norm.ppf(np.clip(rate, 1e-6, 1 - 1e-6)), low, high) for rate in (curve.false_alarm, curve.miss))
        axes.step(x, y, where="post", label=f"{name}: EER {equal_error_rate(values, spoof):.3f}")
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle="--")
    ticks = norm.ppf(RATES)
    axes.set_xticks(ticks, [f"{100 * rate:g}" for rate in RATES])
    axes.set_yticks(ticks, [f"{100 * rate:g}" for rate in RATES])
    axes.set(xlabel="spoofs accepted (%)", ylabel="natural speech refused (%)", xlim=(low, high), ylim=(low, high))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)
    save_figure(figure, path)


def draw_explanation(
    panels: Sequence[Any],
    samples: np.ndarray,
    importance: Mapping[str, np.ndarray],
    title: str,
    spans: Sequence[tuple[float, float]] = (),
) -> None:
    """Waveform, spectrogram and importance over time, one below the other.

    Args:
        panels: three axes.
        samples: (N,).
        importance: by explainer, (M,) in [0, 1] at equal distances.
        title: above.
        spans: from which second to which it is known to be spoofed.
    """
    seconds = len(samples) / RATE
    wave, spectrum, curves = panels
    wave.plot(np.arange(len(samples)) / RATE, samples, color=BLUE, linewidth=0.4)
    wave.set_title(for_terminal(title), fontsize=8, parse_math=False)  # names are no formulas
    wave.set_yticks([])
    padded = np.pad(samples, (0, max(0, 512 - len(samples))))
    spectrum.specgram(padded + 1e-6, NFFT=512, Fs=RATE, noverlap=352, cmap="magma", vmin=-120)
    spectrum.set_yticks([2000, 4000, 6000], ["2", "4", "6 kHz"], fontsize=7)
    for name, values in importance.items():
        curves.plot((np.arange(len(values)) + 0.5) * seconds / len(values), values, linewidth=1.2, label=name)
    curves.set_ylim(-0.03, 1.03)
    for axes in panels:
        axes.set_xlim(0, seconds)
        axes.tick_params(labelsize=7)
        for span in spans:
            axes.axvspan(*span, color=RED, alpha=0.25 if axes is not spectrum else 0.0, linewidth=0)
            for place in span:
                axes.axvline(place, color=RED, linewidth=0.9)
    wave.set_xticks([])
    spectrum.set_xticks([])


def plot_explanations(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Draw several utterances side by side.

    Args:
        path: the PNG.
        rows: keyword arguments of `draw_explanation` for each.
    """
    columns = 3
    lines = max(1, -(-len(rows) // columns))
    figure = plt.figure(figsize=(4.6 * columns, 3.4 * lines))
    outer = figure.add_gridspec(lines, columns, hspace=0.32, wspace=0.16)
    for index, row in enumerate(rows):
        inner = outer[divmod(index, columns)].subgridspec(3, 1, height_ratios=[0.7, 1.2, 1], hspace=0.06)
        panels = [figure.add_subplot(inner[line]) for line in range(3)]
        draw_explanation(panels, **row)
        panels[2].set_xlabel("seconds", fontsize=7)
        if index % columns == 0:
            panels[2].set_ylabel("importance", fontsize=7)
        if index == 0 and row["importance"]:
            panels[2].legend(fontsize=6, loc="upper right", frameon=False)
    save_figure(figure, path)


def plot_localisation(path: Path, report: Mapping[str, Mapping[str, float]]) -> None:
    """Bars of localisation and faithfulness for each explainer and baseline."""
    names = list(report)
    shown = ("localisation_auc", "pointing_game", "comprehensiveness", "deletion_auc")
    figure, panels = plt.subplots(1, len(shown), figsize=(3.1 * len(shown), 0.3 * len(names) + 1), sharey=True)
    for axes, key in zip(panels, shown, strict=True):
        values = [report[name][key] if report[name][key] is not None else 0.0 for name in names]
        bars = axes.barh(names, values, color=BLUE, height=0.7)
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=2, fontsize=7)
        axes.set_title(key.replace("_", " "), fontsize=9)
        axes.set_xlim(min(0, *values) * 1.2, max(1.0, max(values)) * 1.15)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    save_figure(figure, path)
