"""The chart of a recording: waveform, spectrogram and importance over one time, for a light page and a dark one."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import signal

from reprise.deepfake.data.audio import RATE

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

POINTS = 1200  # of a curve, at most
COLUMNS, ROWS = 400, 96  # of the spectrogram, at most
QUIETEST = -80  # decibels below the spectrogram's peak
BLUE, RED, GREY = "#4a90d9", "#e05a33", "#888888"
HEIGHTS = ((0.0, 0.27), (0.33, 0.72), (0.78, 1.0))  # of importance, spectrogram and waveform


def recording_chart(samples: np.ndarray, importance: np.ndarray, moments: list[dict[str, float]]) -> "Figure":
    """Draw samples (N,) at RATE and their importance (F,); moments of highest importance are marked."""
    from plotly.graph_objects import Figure, Heatmap, Scatter

    seconds = len(samples) / RATE
    times, low, high = envelope(samples)
    spectrum_times, frequencies, levels = spectrogram(samples)
    places = (np.arange(len(importance)) + 0.5) * seconds / len(importance)
    step = max(1, len(importance) // POINTS)
    figure = Figure(
        [
            Scatter(x=times, y=low, yaxis="y3", line={"color": BLUE, "width": 1}, hoverinfo="skip"),
            Scatter(x=times, y=high, yaxis="y3", line={"color": BLUE, "width": 1}, fill="tonexty", hoverinfo="skip"),
            Heatmap(
                x=spectrum_times,
                y=frequencies,
                z=levels,
                yaxis="y2",
                colorscale="Magma",
                showscale=False,
                hovertemplate="%{x:.2f} s, %{y:.1f} kHz: %{z} dB<extra></extra>",
            ),
            Scatter(
                x=places[::step].round(3),
                y=importance[::step].round(3),
                yaxis="y",
                line={"color": RED, "width": 2},
                hovertemplate="%{x:.2f} s: importance %{y:.2f}<extra></extra>",
            ),
        ]
    )
    figure.update_layout(**layout(seconds, moments))
    return figure


def layout(seconds: float, moments: list[dict[str, float]]) -> dict[str, Any]:
    """Axes one below the other, and a line at each moment; colours that are read on white and on black."""
    axis = {"gridcolor": "rgba(136,136,136,0.25)", "zeroline": False, "tickfont": {"size": 11}, "fixedrange": True}
    return {
        "showlegend": False,
        "height": 460,
        "margin": {"l": 52, "r": 8, "t": 8, "b": 36},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": GREY, "family": "system-ui, sans-serif"},
        "xaxis": {**axis, "range": [0, seconds], "title": {"text": "seconds", "standoff": 4}, "anchor": "y"},
        "yaxis": {**axis, "domain": HEIGHTS[0], "range": [0, 1.02], "title": "importance", "tickvals": [0, 0.5, 1]},
        "yaxis2": {**axis, "domain": HEIGHTS[1], "range": [0, RATE / 2000], "title": "kHz"},
        "yaxis3": {**axis, "domain": HEIGHTS[2], "showticklabels": False, "title": "wave"},
        "shapes": [
            {
                "type": "line",
                "x0": moment["seconds"],
                "x1": moment["seconds"],
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": RED, "width": 1, "dash": "dot"},
            }
            for moment in moments
        ],
    }


def envelope(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, lowest and highest of the samples (N,) in at most POINTS stretches: peaks are not lost."""
    starts = np.unique(np.linspace(0, len(samples), min(POINTS, len(samples)), endpoint=False).astype(int))
    lowest, highest = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    return (starts / RATE).round(4), lowest.round(4), highest.round(4)


def spectrogram(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (T,), kilohertz (B,) and levels (B, T) in decibels below the peak, at most COLUMNS by ROWS."""
    size = min(512, len(samples))
    frequencies, times, power = signal.spectrogram(samples, RATE, nperseg=size, noverlap=size * 3 // 4)
    power = means(means(power, ROWS).T, COLUMNS).T
    levels = 10 * np.log10(np.maximum(power / max(float(power.max()), 1e-20), 10 ** (QUIETEST / 10)))
    return means(times, COLUMNS).round(3), (means(frequencies, ROWS) / 1000).round(2), levels.round().astype(int)


def means(values: np.ndarray, most: int) -> np.ndarray:
    """Values (N, ...) averaged to at most so many rows."""
    if len(values) <= most:
        return values
    starts = np.linspace(0, len(values), most, endpoint=False).astype(int)
    counts = np.diff(np.append(starts, len(values)))
    return np.add.reduceat(values, starts, axis=0) / counts.reshape(-1, *[1] * (values.ndim - 1))
