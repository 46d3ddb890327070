"""Charts of the report: what `plots` in metrics/dvc.yaml declares, drawn by Plotly from the files it names."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.core.errors import InputError
from reprise.core.params import read_yaml

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PLOTS = Path("metrics/dvc.yaml")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
DET_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
LAYOUT = {
    "template": "plotly_white",
    "title_font_size": 15,
    "margin": {"l": 56, "r": 16, "t": 48, "b": 48},
    "font": {"family": "system-ui, sans-serif", "size": 12},
    "legend": {"orientation": "h", "y": -0.25},
    "height": 360,
    "colorway": list(COLOURS),
}

Column = tuple[Path, str]


def declared_plots(task: str, path: Path = PLOTS) -> list[tuple[str, dict[str, Any]]]:
    """Titles, without the task's name that they begin with, and declarations of a task's part of `plots`.

    The declarations name files relative to `path`, as DVC wants them; what is returned names them from here.
    """
    entries = [next(iter(entry.items())) for entry in read_yaml(path).get("plots", []) if isinstance(entry, dict)]
    own = [(title.partition(" ")[2], entry) for title, entry in entries if title.lower().startswith(f"{task} ")]
    return [(title[:1].upper() + title[1:], with_folder(entry, path.parent)) for title, entry in own]


def with_folder(declaration: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Put a folder before the files that a declaration names."""
    return {
        axis: {str(folder / file): columns for file, columns in value.items()} if isinstance(value, dict) else value
        for axis, value in declaration.items()
    }


def draw(title: str, declaration: dict[str, Any]) -> "Figure | None":
    """Draw one declaration; None where none of its files is there, as with fewer folds than it names.

    Raises:
        InputError: a file lacks a column.
    """
    columns = [column for column in y_columns(declaration) if column[0].is_file()]
    if not columns:
        return None
    if "confusion" in declaration.get("template", ""):
        return confusion(title, declaration, *columns[0])
    return curves(title, declaration, columns)


def y_columns(declaration: dict[str, Any]) -> list[Column]:
    """The files and columns of the vertical axis."""
    listed = [(path, [names] if isinstance(names, str) else names) for path, names in declaration["y"].items()]
    return [(Path(path), name) for path, names in listed for name in names]


def curves(title: str, declaration: dict[str, Any], columns: Sequence[Column]) -> "Figure":
    """A line for each column."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for (path, name), label in zip(columns, labels(columns), strict=True):
        table, x = read_columns(path), declaration["x"]
        across, up = numbers(table, path, x[str(path)] if isinstance(x, dict) else x), numbers(table, path, name)
        mode = "lines+markers" if len(up) <= 40 else "lines"
        figure.add_trace(Scatter(x=across, y=up, name=label, mode=mode, marker={"size": 5}, line={"width": 1.6}))
    figure.update_layout(title=title, xaxis_title=declaration["x_label"], yaxis_title=declaration["y_label"], **LAYOUT)
    figure.update_layout(showlegend=len(columns) > 1)
    if title.endswith("DET"):
        on_normal_deviates(figure)
    if title == "Reliability":
        figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": "#999999", "dash": "dash", "width": 1})
    return figure


def on_normal_deviates(figure: "Figure") -> None:
    """Put error rates on the scale of a DET curve (Martin et al., 1997)."""
    import numpy as np
    from scipy.stats import norm

    low = norm.ppf(DET_RATES[0])
    for trace in figure.data:
        trace.x, trace.y = (norm.ppf(np.clip(rates, DET_RATES[0], 1 - DET_RATES[0])) for rates in (trace.x, trace.y))
    ticks = {"tickvals": norm.ppf(DET_RATES), "ticktext": [f"{100 * rate:g} %" for rate in DET_RATES]}
    figure.update_xaxes(range=[low, 0.2], **ticks)
    figure.update_yaxes(range=[low, 0.2], **ticks)


def confusion(title: str, declaration: dict[str, Any], path: Path, predicted: str) -> "Figure":
    """Shares of each label's examples by predicted class."""
    import pandas as pd
    from plotly.graph_objects import Figure, Heatmap

    table = pd.read_csv(path)
    names = sorted(set(table[declaration["x"]]) | set(table[predicted]))
    counts = pd.crosstab(table[declaration["x"]], table[predicted]).reindex(index=names, columns=names, fill_value=0)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    figure = Figure(Heatmap(z=shares.to_numpy(), x=names, y=names, customdata=counts.to_numpy(), colorscale="Blues"))
    figure.update_traces(zmin=0, zmax=1, hovertemplate="%{y} taken for %{x}: %{customdata}<extra></extra>")
    figure.update_layout(title=title, xaxis_title=declaration["y_label"], yaxis_title=declaration["x_label"], **LAYOUT)
    figure.update_layout(height=520, xaxis_tickangle=-60)
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(automargin=True)
    return figure


def seconds_by_stage(seconds: dict[str, float]) -> "Figure":
    """Bars of the stages' seconds, the longest on top."""
    from plotly.graph_objects import Bar, Figure

    ordered = dict(sorted(seconds.items(), key=lambda item: item[1]))
    figure = Figure(Bar(x=list(ordered.values()), y=list(ordered), orientation="h", marker_color=COLOURS[0]))
    figure.update_traces(text=[f"{value:.1f}" for value in ordered.values()], textposition="outside", cliponaxis=False)
    figure.update_layout(title="Seconds by stage, without imports", xaxis_title="seconds", **LAYOUT)
    figure.update_layout(height=max(260, 24 * len(ordered) + 100))
    figure.update_yaxes(automargin=True)
    return figure


def labels(columns: Sequence[Column]) -> list[str]:
    """What tells the columns apart: the part of their paths that differs, or their names."""
    if len({name for _, name in columns}) == len(columns) > 1:
        return [name.replace("_", " ") for _, name in columns]
    parts = [[*path.parent.parts, path.stem] for path, _ in columns]
    shared = zip(*parts, strict=False)  # paths of different depth: as far as all of them reach
    apart = [place for place, names in enumerate(shared) if len(set(names)) > 1]
    return [" ".join(own[place] for place in apart) or name for own, (_, name) in zip(parts, columns, strict=True)]


def read_columns(path: Path) -> dict[str, list[str]]:
    """A CSV or TSV file's columns, as text."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def numbers(table: dict[str, list[str]], path: Path, name: str) -> list[float]:
    """One column as numbers.

    Raises:
        InputError: there is no such column, or it holds something else.
    """
    if name not in table:
        raise InputError(f"{path}: no column {name!r}, which {PLOTS} names; it has {', '.join(table) or 'none'}")
    try:
        return [float(value) for value in table[name]]
    except ValueError as error:
        raise InputError(f"{path}: column {name!r}: {error}") from None
