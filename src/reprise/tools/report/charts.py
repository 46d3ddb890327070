"""Charts of the report: what `plots` in metrics/dvc.yaml declares, drawn by Plotly from the files it names."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprise.core.errors import InputError
from reprise.core.params import read_yaml
from reprise.core.text import for_html
from reprise.taxonomy.data.lines import shorten

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from plotly.graph_objects import Figure

PLOTS = Path("metrics/dvc.yaml")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
DET_TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4)
MOST_CLASSES = 60  # of a confusion matrix
LONGEST_LABEL = 24  # characters
LAYOUT = {
    "template": "plotly_white",
    "paper_bgcolor": "rgba(0,0,0,0)",  # the page's, light or dark
    "plot_bgcolor": "rgba(0,0,0,0)",
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
    if is_confusion(declaration):
        return confusion(title, declaration, *read_pairs(declaration, *columns[0]))
    return curves(title, declaration, columns)


def is_confusion(declaration: dict[str, Any]) -> bool:
    return "confusion" in declaration.get("template", "")


def confused_table(declaration: dict[str, Any]) -> "pd.DataFrame | None":
    """The confusions of a declared matrix, the most frequent first; None without its file, or of other charts.

    A leaf that was missed, or predicted in error, without another in its place is no pair of classes.
    """
    ((path, predicted),) = y_columns(declaration)[:1]
    if not is_confusion(declaration) or not path.is_file():
        return None
    from reprise.core.confusion import confused_pairs
    from reprise.taxonomy.quality.tables import NO_LEAF

    table = confused_pairs(*read_pairs(declaration, path, predicted))
    return table[(table[["label", "predicted"]] != NO_LEAF).all(axis=1)]


def read_pairs(declaration: dict[str, Any], path: Path, predicted: str) -> tuple[list[str], "np.ndarray"]:
    """Names of the C classes of a file of labels and predictions, and their counts (C, C).

    Raises:
        InputError: the file lacks a column.
    """
    table = read_columns(path)
    from reprise.core.confusion import count_pairs

    return count_pairs(column_of(table, path, declaration["x"]), column_of(table, path, predicted))


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
        shown = {"mode": mode, "marker": {"size": 5}, "line": {"width": 1.6}}
        figure.add_trace(Scatter(x=across, y=up, name=for_html(shorten(label, LONGEST_LABEL)), **shown))
    x_label, y_label = declaration["x_label"], declaration["y_label"]
    figure.update_layout(title=title, xaxis_title=x_label, yaxis_title=wrapped(y_label), **LAYOUT)
    figure.update_layout(showlegend=len(columns) > 1)
    if not any(len(trace.y) for trace in figure.data):
        return say(figure, "Nothing was recorded.")
    if title.endswith("DET"):
        on_normal_deviates(figure)
    if y_label == "learning rate":  # one that stays the same is no line at "0"
        figure.update_yaxes(rangemode="tozero", exponentformat="e")
    if title == "Reliability":
        figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"color": "#999999", "dash": "dash", "width": 1})
    return figure


def say(figure: "Figure", sentence: str) -> "Figure":
    """Write a sentence in place of a drawing for which there is nothing."""
    place = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    figure.add_annotation(text=sentence, **place)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(showlegend=False)
    return figure


def wrapped(text: str) -> str:
    """A label that says which way is better, in two lines: a chart is not high."""
    return text.replace(", lower is", "<br>lower is").replace(", higher is", "<br>higher is")


def on_normal_deviates(figure: "Figure") -> None:
    """Put error rates on the scale of a DET curve (Martin et al., 1997), in percent."""
    import numpy as np
    from scipy.stats import norm

    low = norm.ppf(DET_TICKS[0])
    for trace in figure.data:
        rates = np.array([trace.x, trace.y], dtype=np.float64)  # (2, N)
        trace.text = [f"{x:.2f} % accepted, {y:.2f} % refused" for x, y in 100 * rates.T]
        trace.hovertemplate = "%{text}"
        trace.x, trace.y = norm.ppf(np.clip(rates, DET_TICKS[0], 1 - DET_TICKS[0]))
    marked = {"tickvals": norm.ppf(DET_TICKS), "ticktext": [f"{100 * rate:g}" for rate in DET_TICKS]}
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        axis.update(range=[low, 0.2], tickangle=0, **marked)
        axis.title.text = axis.title.text.replace("(share)", "(%)")


def confusion(title: str, declaration: dict[str, Any], names: Sequence[str], counts: "np.ndarray") -> "Figure":
    """Shares of each label's examples by predicted class; of many classes those that are confused most."""
    import numpy as np
    from plotly.graph_objects import Figure, Heatmap

    from reprise.core.confusion import most_confused

    kept = most_confused(counts, MOST_CLASSES)
    if len(kept) < len(names):
        title += f"<br><sup>the {len(kept)} most confused of {len(names)} classes</sup>"
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    whole = [for_html(names[place]) for place in kept]
    ticks = [for_html(shorten(names[place], LONGEST_LABEL)) for place in kept]
    rows = [
        [(own, other, counts[i, j]) for j, other in zip(kept, whole, strict=True)]
        for i, own in zip(kept, whole, strict=True)
    ]
    figure = Figure(Heatmap(z=shares[np.ix_(kept, kept)], customdata=rows, colorscale="Blues", zmin=0, zmax=1))
    figure.update_traces(hovertemplate="%{customdata[0]} taken for %{customdata[1]}: %{customdata[2]}<extra></extra>")
    figure.update_traces(colorbar={"title": "share of<br>the label", "thickness": 12, "len": 0.9})
    figure.update_layout(title=title, xaxis_title=declaration["y_label"], yaxis_title=declaration["x_label"], **LAYOUT)
    if not len(kept):
        return say(figure, "No item has a label and a prediction.")
    axis = {"tickvals": list(range(len(kept))), "ticktext": ticks, "tickfont": {"size": 9}, "automargin": True}
    figure.update_xaxes(tickangle=-90, **axis)
    figure.update_yaxes(autorange="reversed", **axis)
    figure.update_layout(height=max(520, 13 * len(kept) + 220))
    return figure


def least_width(figure: "Figure") -> int:
    """Pixels below which a chart's labels would overlap: a narrower page scrolls it."""
    ticks = figure.layout.xaxis.ticktext
    return 0 if ticks is None else 220 + 14 * len(ticks)


def seconds_by_stage(seconds: dict[str, float]) -> "Figure":
    """Bars of the stages' seconds, the longest on top."""
    from plotly.graph_objects import Bar, Figure

    ordered = dict(sorted(seconds.items(), key=lambda item: item[1]))
    figure = Figure(Bar(x=list(ordered.values()), y=list(ordered), orientation="h", marker_color=COLOURS[0]))
    figure.update_traces(text=[f"{value:.1f}" for value in ordered.values()], textposition="outside", cliponaxis=False)
    figure.update_layout(title="Seconds by stage, without imports", xaxis_title="seconds (lower is better)", **LAYOUT)
    figure.update_layout(height=max(260, 24 * len(ordered) + 100))
    figure.update_yaxes(automargin=True)
    figure.update_xaxes(range=[0, 1.2 * max(ordered.values(), default=1.0)])
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
        reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        rows, names = list(reader), reader.fieldnames or ()
    return {name: [row[name] for row in rows] for name in names}


def column_of(table: dict[str, list[str]], path: Path, name: str) -> list[str]:
    """One column as text.

    Raises:
        InputError: there is no such column.
    """
    if name not in table:
        raise InputError(f"{path}: no column {name!r}, which {PLOTS} names; it has {', '.join(table) or 'none'}")
    return table[name]


def numbers(table: dict[str, list[str]], path: Path, name: str) -> list[float]:
    """One column as numbers.

    Raises:
        InputError: there is no such column, or it holds something else.
    """
    try:
        return [float(value) for value in column_of(table, path, name)]
    except (TypeError, ValueError) as error:  # a TypeError of a row that ends before this column
        raise InputError(f"{path}: column {name!r}: {error}") from None
