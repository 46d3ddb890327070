"""The pictures of the deepfake task."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.mlab import specgram
from matplotlib.patches import Patch
from scipy.stats import norm

from reprise.core.figures import HIGHER, LOWER, label, save_figure, say, set_title, side
from reprise.core.text import for_terminal
from reprise.deepfake.data.audio import RATE
from reprise.deepfake.quality.metrics import equal_error_rate, error_curve

BLUE, RED, GREY = "#3b6ea5", "#c44e52", "#888888"
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
FLOOR = 1e-12  # of a spectrogram's power: -120 dB
HOP = 160 / RATE  # seconds between two of its columns
TITLE_LETTERS = 62  # of 8 points, over an utterance
SHOWN = {  # of an explainer's report: what the axis counts, and which way it is better
    "localisation_auc": ("ROC-AUC of frames", HIGHER),
    "pointing_game": ("share of utterances", HIGHER),
    "comprehensiveness": ("loss of spoof probability", HIGHER),
    "deletion_auc": ("mean spoof probability", LOWER),
}


def plot_det(path: Path, scores: Mapping[str, np.ndarray], spoof: np.ndarray) -> None:
    """Detection error trade-off (Martin et al. 1997): misses against false alarms on normal deviates.

    Args:
        path: the PNG.
        scores: by system, (N,) each.
        spoof: (N,) bool.
    """
    figure, axes = plt.subplots(figsize=(5.4, 5.6), layout="constrained")
    set_title(axes, f"Detection error trade-off (DET): both errors, {LOWER}")
    if not scores or not spoof.any() or spoof.all():
        say(axes, "It takes natural speech and spoofs to count both errors.")
        save_figure(figure, path)
        return
    low, high = norm.ppf(RATES[0]), norm.ppf(0.5)
    for name, values in scores.items():
        curve = error_curve(values, spoof)
        x, y = (np.clip(norm.ppf(np.clip(rate, 1e-6, 1 - 1e-6)), low, high) for rate in (curve.false_alarm, curve.miss))
        text = f"{label(name)}: EER {100 * equal_error_rate(values, spoof):.1f} %"
        marker = "o" if len(x) == 1 else None  # a system without errors is a point, in the corner
        axes.step(x, y, where="post", label=text, marker=marker, clip_on=False, zorder=3)
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle="--", label="both errors equal (EER)")
    ticks = norm.ppf(RATES)
    axes.set_xticks(ticks, [f"{100 * rate:g}" for rate in RATES], fontsize=8)
    axes.set_yticks(ticks, [f"{100 * rate:g}" for rate in RATES], fontsize=8)
    axes.set(xlabel="spoofs accepted (%)", ylabel="natural speech refused (%)", xlim=(low, high), ylim=(low, high))
    axes.grid(alpha=0.25)
    figure.legend(fontsize=8, loc="outside lower center", ncols=2 if len(scores) > 1 else 1, frameon=False)
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
    wave.set_title("\n".join(textwrap.wrap(for_terminal(title), TITLE_LETTERS)[:3]), fontsize=8)
    if not len(samples):
        say(spectrum, "No samples.")
        wave.set_axis_off()
        curves.set_axis_off()
        return
    wave.plot(np.arange(len(samples)) / RATE, samples, color=BLUE, linewidth=0.4)
    wave.set_yticks([])
    padded = np.pad(samples, (0, max(0, 512 - len(samples))))
    power, _, columns = specgram(padded, NFFT=512, Fs=RATE, noverlap=352)
    centres = np.asarray(columns, dtype=np.float64)  # seconds
    decibels = 10 * np.log10(np.maximum(power, FLOOR))
    box = (centres[0] - HOP / 2, centres[-1] + HOP / 2, 0, RATE / 2)
    loudest = max(float(decibels.max()), 10 * np.log10(FLOOR) + 1)  # silence has no range of its own
    spectrum.imshow(
        decibels, "magma", aspect="auto", origin="lower", extent=box, vmin=10 * np.log10(FLOOR), vmax=loudest
    )
    spectrum.set_yticks([2000, 4000, 6000], ["2", "4", "6"], fontsize=7)
    for name, values in importance.items():
        curves.plot((np.arange(len(values)) + 0.5) * seconds / len(values), values, linewidth=1.2, label=label(name))
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
    columns = max(1, min(3, len(rows)))
    lines = max(1, -(-len(rows) // columns))
    figure = plt.figure(figsize=(4.0 * columns, side(3.0 * lines + 0.6)), layout="constrained")
    set_title(figure, "Waveform, spectrogram, and importance of each moment for the verdict")
    if not rows:
        say(figure.subplots(), "No utterances.")
    outer = figure.add_gridspec(lines, columns)
    names: dict[str, Any] = {}
    for index, row in enumerate(rows):
        inner = outer[divmod(index, columns)].subgridspec(3, 1, height_ratios=[0.7, 1.2, 1])
        panels = [figure.add_subplot(inner[line]) for line in range(3)]
        draw_explanation(panels, **row)
        panels[2].set_xlabel("time (s)", fontsize=7)
        if index % columns == 0:
            for axes, text in zip(panels, ("amplitude", "frequency (kHz)", "importance (0 to 1)"), strict=True):
                axes.set_ylabel(text, fontsize=7)
        names |= {str(line.get_label()): line for line in panels[2].get_lines() if str(line.get_label())[:1] != "_"}
        if row.get("spans"):
            names["known to be spoofed"] = Patch(color=RED, alpha=0.25)
    if len(names) > 1:
        figure.legend(names.values(), names, fontsize=8, loc="outside lower center", ncols=4, frameon=False)
    settle_layout(figure)
    save_figure(figure, path)


def settle_layout(figure: Figure) -> None:
    """Round where the axes lie: the layout varies in the last places from run to run, and so would the picture."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = np.round(axes.get_position().bounds, 6).tolist()
        axes.set_position((left, bottom, width, height))


def plot_localisation(path: Path, report: Mapping[str, Mapping[str, float | None]]) -> None:
    """Bars of localisation and faithfulness for each explainer and baseline; None where nothing was measured."""
    names = list(report)
    size = (3.1 * len(SHOWN), side(0.3 * max(len(names), 3) + 1.7))
    figure, panels = plt.subplots(1, len(SHOWN), figsize=size, sharey=True, layout="constrained")
    set_title(figure, "Explainers and baselines: where the spoofed part lies, and what the detector loses without it")
    for axes, (key, (unit, better)) in zip(panels, SHOWN.items(), strict=True):
        axes.set_title(key.replace("_", " ").replace("auc", "AUC"), fontsize=9)
        if not names:
            say(axes, "No explainers.")
            continue
        measured = [report[name][key] for name in names]
        values = [0.0 if value is None else value for value in measured]
        bars = axes.barh(range(len(names)), values, color=BLUE, height=0.7)
        texts = ["not measured" if value is None else f"{value:.2f}" for value in measured]
        axes.bar_label(bars, texts, padding=2, fontsize=7)
        axes.set_xlim(min(0, *values) * 1.3, max(1.0, *values) * 1.18)
        axes.set_xlabel(f"{unit}\n({better})", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), [label(name) for name in names])
    panels[0].set_ylim(max(len(names), 1) - 0.4, -0.6)
    save_figure(figure, path)
