"""What the tab of runs shows: headline figures with their intervals, the experiments, the report."""

import json
from pathlib import Path
from typing import Any

from reprise.tools.experiments import MARKS, Experiment, compare_with_baseline, list_experiments, write_params
from reprise.tools.headlines import Change, distances, figure_of, read_headlines, stored_interval
from reprise.tools.repository import WORKSPACE, Snapshot, dvc

REPORT = Path("report.html")
FIGURES = ["figure", "value", "95 % interval", "goals"]


def headline_rows(snapshot: Snapshot = WORKSPACE) -> list[list[str]]:
    """A row of text for each headline figure, under FIGURES.

    Raises:
        InputError: headlines.yaml is missing or wrong.
    """
    rows = []
    for headline in read_headlines():
        value, interval = figure_of(snapshot, headline), stored_interval(snapshot, headline)
        rows.append(
            [
                f"{headline.task}: {headline.title} ({headline.better} is better)",
                "-" if value is None else f"{value:.3f}",
                "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}",
                "; ".join(distances(headline, value)),
            ]
        )
    return rows


def experiment_table(every: bool) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the experiments that DVC has recorded, as `reprise experiments` compares them.

    Args:
        every: those of all commits, too.

    Raises:
        InputError: DVC cannot read the repository.
    """
    shown = json.loads(dvc("exp", "show", "--json", *(["--all-commits"] if every else [])))
    found = list_experiments(shown)
    changes = {each.commit: compare_with_baseline(each) for each in found if each.state == "success"}
    return table_of(found, changes)


def table_of(experiments: list[Experiment], changes: dict[str, list[Change]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: name, state, parameters, and a column for each figure that changed in an experiment.

    Args:
        experiments: of `list_experiments`.
        changes: the headline figures of those that succeeded, by commit.
    """
    some: list[Change] = next(iter(changes.values()), [])
    moved = [place for place in range(len(some)) if any(own[place].verdict in MARKS for own in changes.values())]
    header = [
        "experiment",
        "state",
        "parameters",
        *(f"{some[p].headline.short} ({some[p].headline.task})" for p in moved),
    ]
    rows = []
    for experiment in experiments:
        own = changes.get(experiment.commit)
        cells = [cell(own[place]) if own is not None else "" for place in moved]
        rows.append([experiment.name, experiment.state, write_params(experiment.params), *cells])
    return header, rows


def cell(change: Change) -> str:
    """A figure with its verdict in words; nothing where it is the same."""
    if change.verdict not in MARKS or change.here is None:
        return ""
    return f"{change.here:.3f} {change.verdict}"


def write_report() -> Path:
    """Write report.html, as `reprise report` does.

    Raises:
        InputError: there is no Git repository, or DVC cannot read the pipeline.
    """
    from reprise.core.files import write_text
    from reprise.tools.report.build import write_page

    write_text(REPORT, write_page("HEAD"))
    return REPORT


def summary() -> dict[str, Any]:
    """The headline figures by task and title, for programs."""
    found: dict[str, Any] = {}
    for headline in read_headlines():
        found.setdefault(headline.task, {})[headline.title] = {
            "value": figure_of(WORKSPACE, headline),
            "ci95": stored_interval(WORKSPACE, headline),
            "better": headline.better,
        }
    return found
