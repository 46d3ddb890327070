"""Write the report: one HTML page that needs no network, with its scripts and pictures in it.

    reprise report --base main
    make report BASE=main

The page shows the headline figures with their change against a base, every curve and table that `plots` in dvc.yaml
declares, the stages' pictures, tables of single examples, and the seconds of each stage.
"""

import base64
import csv
import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.files import read_json, write_text
from reprise.core.params import load_value
from reprise.core.text import for_terminal
from reprise.tools.headlines import Change, compare, distances, split_elsewhere, write_interval
from reprise.tools.report.charts import confused_table, declared_plots, draw, least_width, seconds_by_stage
from reprise.tools.repository import WORKSPACE, Snapshot, base_of, git, stale_stages

METRICS = Path("metrics")
TEMPLATES = Path(__file__).parent
DRAWN = ("confusion.csv", "confusion.png", "det.png", "leaf_confusion.csv")  # as charts
ONE_ROW_A_PAGE = ("probabilities.csv", "submission.csv")
PANEL = 500  # pixels that a chart has in a column of the page
WIDE = 900  # pixels from which on a picture takes the whole width
ROWS_SHOWN = 40  # of a table
CONFUSED, CONFUSED_SHOWN = "most confused", 20  # pairs
CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}


Table = tuple[str, list[str], list[list[str]], int]


@dataclasses.dataclass(frozen=True)
class Picture:
    """One PNG.

    Attributes:
        caption: what it shows.
        url: a data URL with the picture's bytes.
        wide: whether it takes the whole width.
    """

    caption: str
    url: str
    wide: bool


@dataclasses.dataclass(frozen=True)
class Section:
    """One task's part of the page.

    Attributes:
        name: of the task.
        charts: HTML of the curves and matrices, and the pixels that each needs.
        pictures: of the stages.
        tables: caption, header, rows shown and number of all rows of each CSV, and of the most confused classes.
        seconds: HTML of the chart of the stages' seconds.
    """

    name: str
    charts: list[tuple[str, int]]
    pictures: list[Picture]
    tables: list[Table]
    seconds: str


def main(
    base: Annotated[str, typer.Option(help="Branch or commit to compare the headline figures with.")] = "HEAD",
    output: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
) -> None:
    """Write one HTML page with all figures, curves and pictures; it needs no network."""
    if output.is_dir():
        raise InputError(f"{output}: a folder; expected the name of the page, such as {output / 'report.html'}")
    page = write_page(base)
    write_text(output, page)
    typer.echo(f"{for_terminal(output)}: {len(page) / 2**20:.1f} MiB; open it in a browser")


def write_page(base: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    commit = base_of(base)
    changes = compare(Snapshot(base, commit), WORKSPACE)
    judged, elsewhere = split_elsewhere(changes)
    tasks = list(dict.fromkeys(change.headline.task for change in changes))
    stale = stale_stages()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, finalize=without_controls
    )
    return environment.get_template("page.html.jinja").render(
        plotly=get_plotlyjs(),
        commit=git("log", "-1", "--format=%h, %cs").strip(),
        base=f"{base} ({commit[:7]})",
        dirty=bool(git("status", "--porcelain", "--untracked-files=no").strip()),
        stale=stale,
        other_code=any(not name.startswith("recipe@") for name in stale),
        cards=[card(change) for change in judged],
        elsewhere=[card(change) for change in elsewhere],
        sections=[make_section(task) for task in tasks],
        opened=("suspects", CONFUSED),
        panel=PANEL,
    )


def without_controls(value: Any) -> Any:
    """Spell out control characters in a text; Jinja escapes HTML after this, and leaves `safe` values as they are."""
    return for_terminal(value) if type(value) is str else value


def card(change: Change) -> dict[str, Any]:
    """One headline figure in words."""
    return {
        "task": change.headline.task,
        "title": change.headline.title,
        "value": "-" if change.here is None else f"{change.here:.3f}",
        "base": "-" if change.base is None else f"{change.base:.3f}",
        "change": "" if change.difference is None else f"{change.difference:+.4f}",
        "interval": write_interval(change.interval),
        "verdict": change.verdict,
        "better": change.headline.better,
        "goals": [] if on_sample(change.headline.task) else distances(change.headline, change.here),
    }


def on_sample(task: str) -> bool:
    """Whether a task learns from the generated sample: goals are of real data, which it says nothing about."""
    return Path(load_value(f"{task}.data")).is_relative_to(f"data/{task}/sample")


def make_section(task: str) -> Section:
    """Draw a task's metrics, and read its pictures and tables."""
    declared = declared_plots(task)
    figures = [draw(title, entry) for title, entry in declared]
    confused = [confused_rows(title, entry) for title, entry in declared]
    folder = METRICS / task
    pictures = [read_picture(path) for path in sorted(folder.glob("*.png")) if path.name not in DRAWN]
    tables = [read_table(path) for path in sorted(folder.glob("*.csv")) if path.name not in DRAWN + ONE_ROW_A_PAGE]
    timings = {path.stem.replace("_", "-"): read_seconds(path) for path in sorted(folder.glob("timing/*.json"))}
    return Section(
        task,
        [(to_html(figure), least_width(figure)) for figure in figures if figure is not None],
        pictures,
        [table for table in confused if table is not None] + tables,
        to_html(seconds_by_stage(timings)) if timings else "",
    )


def to_html(figure: Any) -> str:
    """A chart's HTML, without the library, which the page holds once."""
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG))


def caption(path: Path) -> str:
    return path.stem.replace("_", " ")


def read_picture(path: Path) -> Picture:
    from PIL import Image

    with Image.open(path) as image:
        width = image.width
    url = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return Picture(caption(path), url, width >= WIDE)


def read_table(path: Path) -> tuple[str, list[str], list[list[str]], int]:
    """Caption, header, first rows, and the number of all rows."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return caption(path), rows[0] if rows else [], rows[1 : ROWS_SHOWN + 1], max(0, len(rows) - 1)


def confused_rows(title: str, declaration: dict[str, Any]) -> Table | None:
    """The most confused pairs of a declared confusion matrix; None of other charts."""
    table = confused_table(declaration)
    if table is None:
        return None
    rows = [[str(cell) for cell in row] for row in table.head(CONFUSED_SHOWN).itertuples(index=False)]
    return f"{CONFUSED} {title[:1].lower()}{title[1:]}", list(table.columns), rows, len(table)


def read_seconds(path: Path) -> float:
    """Seconds of a stage.

    Raises:
        InputError: the file is not what a stage writes.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("seconds"), int | float):
        raise InputError(f"{path}: no number of seconds")
    return float(found["seconds"])


if __name__ == "__main__":
    run_command(main)
