"""Write the report: one HTML page that needs no network, made of the committed metrics and plots.

    python -m reprise.tools.report.build --base main

The headline figures with their change against a base, every curve and table that dvc.yaml's `plots` declares, the
stages' pictures, tables of single examples, and where the seconds went. The scripts and pictures are in the page.
"""

import argparse
import base64
import csv
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError
from reprise.core.files import write_text
from reprise.tools.headlines import Change, compare
from reprise.tools.report.charts import declared_plots, draw, seconds_by_stage
from reprise.tools.repository import base_of, git, stale_stages

METRICS = Path("metrics")
TEMPLATES = Path(__file__).parent
DRAWN = ("confusion.csv", "confusion.png", "det.png")  # as charts
ONE_ROW_A_PAGE = ("probabilities.csv", "submission.csv")
WIDE = 1100  # pixels from which on a picture takes the whole width
ROWS_SHOWN = 40  # of a table
CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}


@dataclasses.dataclass(frozen=True)
class Picture:
    """One PNG.

    Attributes:
        caption: what it shows.
        url: the picture itself, as a data URL.
        wide: whether it takes the whole width.
    """

    caption: str
    url: str
    wide: bool


@dataclasses.dataclass(frozen=True)
class Params:
    """One task's part of the page.

    Attributes:
        name: of the task.
        charts: HTML of the curves and matrices.
        pictures: of the stages.
        tables: caption, header, rows shown and number of all rows of each CSV.
        seconds: HTML of the chart of the stages' seconds.
    """

    name: str
    charts: list[str]
    pictures: list[Picture]
    tables: list[tuple[str, list[str], list[list[str]], int]]
    seconds: str


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the report as one HTML page.")
    parser.add_argument("--base", default="HEAD", help="what the headline figures are compared with (HEAD)")
    parser.add_argument("--output", type=Path, default=Path("report.html"), help="the page (report.html)")
    arguments = parser.parse_args()
    try:
        page = write_page(arguments.base)
        write_text(arguments.output, page)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.output}: {len(page) / 2**20:.1f} MiB; open it in a browser")
    return 0


def write_page(base: str) -> str:
    """The whole page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    commit = base_of(base)
    changes = compare(commit)
    tasks = list(dict.fromkeys(change.headline.task for change in changes))
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html.jinja").render(
        plotly=get_plotlyjs(),
        commit=git("log", "-1", "--format=%h, %cs").strip(),
        base=f"{base} ({commit[:7]})",
        dirty=bool(git("status", "--porcelain", "--untracked-files=no").strip()),
        stale=stale_stages(),
        cards=[card(change) for change in changes],
        sections=[make_section(task) for task in tasks],
    )


def card(change: Change) -> dict[str, Any]:
    """One headline figure in words."""
    return {
        "task": change.headline.task,
        "title": change.headline.title,
        "value": "-" if change.here is None else f"{change.here:.3f}",
        "base": "-" if change.base is None else f"{change.base:.3f}",
        "change": "" if change.difference is None else f"{change.difference:+.4f}",
        "verdict": change.verdict,
        "better": change.headline.better,
    }


def make_section(task: str) -> Params:
    """Collect what a task has written."""
    figures = [draw(title, entry) for title, entry in declared_plots(task)]
    folder = METRICS / task
    pictures = [read_picture(path) for path in sorted(folder.glob("*.png")) if path.name not in DRAWN]
    tables = [read_table(path) for path in sorted(folder.glob("*.csv")) if path.name not in DRAWN + ONE_ROW_A_PAGE]
    timings = {path.stem.replace("_", "-"): read_seconds(path) for path in sorted(folder.glob("timing/*.json"))}
    return Params(
        task,
        [to_html(figure) for figure in figures if figure is not None],
        pictures,
        tables,
        to_html(seconds_by_stage(timings)) if timings else "",
    )


def to_html(figure: Any) -> str:
    """A chart's HTML, without the library, which the page holds once."""
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG))


def caption(path: Path) -> str:
    """What a file shows, from its name."""
    return path.stem.replace("_", " ")


def read_picture(path: Path) -> Picture:
    """A picture as part of the page."""
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


def read_seconds(path: Path) -> float:
    """A stage's seconds."""
    return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])


if __name__ == "__main__":
    sys.exit(main())
