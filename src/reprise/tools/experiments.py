"""List the experiments that DVC has recorded, a line each: name, changed parameters, figures with noise marks.

    reprise experiments          # of the present commit
    reprise experiments --all    # of all commits

Each experiment is compared with the commit that it started from, as `reprise compare` does: + is better, - is worse,
~ is within noise, ! was computed elsewhere, * changed without a known interval, and figures that are the same are left
out. An experiment that failed has no figures: DVC records those of its baseline, and they are not shown.
"""

import dataclasses
import json
from typing import Annotated, Any

import typer

from reprise.core.command import run_command
from reprise.core.params import PARAMS_FILE
from reprise.core.text import for_terminal
from reprise.tools.headlines import Change, compare
from reprise.tools.repository import Snapshot, dvc

WIDTH = 120
MARKS = {"better": "+", "worse": "-", "within noise": "~", "computed elsewhere": "!", "changed": "*", "new": "*"}
COLOURS = {"better": typer.colors.GREEN, "worse": typer.colors.RED, "within noise": typer.colors.BRIGHT_BLACK}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One record.

    Attributes:
        name: of the experiment.
        state: success, failed, running or queued.
        baseline: the commit that it started from.
        commit: of the experiment itself.
        params: parameters that differ from the baseline's, by the shortest name that tells them apart.
    """

    name: str
    state: str
    baseline: str
    commit: str
    params: dict[str, Any]


def main(
    every: Annotated[bool, typer.Option("--all", help="Experiments of all commits.")] = False,
) -> None:
    """List the experiments that DVC has recorded, a line each, with noise marks."""
    found = list_experiments(json.loads(dvc("exp", "show", "--json", *(["--all-commits"] if every else []))))
    if not found:
        where = "" if every else " of this commit (--all: of every commit)"
        typer.echo(f"no experiments{where}; `dvc exp run -S train.lr=5e-4` makes one")
        return
    changes = {e.commit: compare_with_baseline(e) for e in found if e.state == "success"}
    for line in table(found, changes):
        typer.echo(line)


def list_experiments(shown: list[dict[str, Any]]) -> list[Experiment]:
    """The experiments in what `dvc exp show --json` prints."""
    found = []
    for baseline in shown:
        for record in baseline.get("experiments") or []:
            last = record["revs"][0]
            state = (record.get("executor") or {}).get("state") or ("failed" if last.get("error") else "success")
            own, before = flat_params(last), flat_params(baseline)
            changed = {key: value for key, value in own.items() if before.get(key) != value}
            name = record.get("name") or last.get("name") or last["rev"][:7]
            found.append(Experiment(name, state.lower(), baseline["rev"], last["rev"], changed))
    return found


def flat_params(record: dict[str, Any]) -> dict[str, Any]:
    """The values of params.yaml in a record, by dotted key."""
    data = (record.get("data") or {}).get("params") or {}
    return flatten((data.get(str(PARAMS_FILE)) or {}).get("data") or {})


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def compare_with_baseline(experiment: Experiment) -> list[Change]:
    """The headline figures of an experiment, against the commit that it started from."""
    return compare(Snapshot("baseline", experiment.baseline), Snapshot(experiment.name, experiment.commit))


def table(experiments: list[Experiment], changes: dict[str, list[Change]]) -> list[str]:
    """Lines of at most WIDTH characters: a header, then a line for each experiment.

    A figure has a column if it changed in an experiment. Columns that do not fit are named under the table.
    """
    titles = [
        position
        for position, _ in enumerate(next(iter(changes.values()), []))
        if any(own[position].verdict in MARKS for own in changes.values())
    ]
    heads = [for_terminal(next(iter(changes.values()))[position].headline.short)[:9] for position in titles]
    widths = [max(len(head), 6) + 1 for head in heads]
    longest = max((len(for_terminal(experiment.name)) for experiment in experiments), default=0)
    name_width = max(10, min(28, longest))
    while widths and name_width + 1 + 24 + sum(widths) > WIDTH:
        widths.pop()
    params_width = WIDTH - name_width - 1 - sum(widths)
    lines = [f"{'experiment':<{name_width}} {'parameters':<{params_width}}" + row(heads, widths)]
    for experiment in experiments:
        own = changes.get(experiment.commit)
        if own is None:
            figures = f"{experiment.state:>{sum(widths)}}" if widths else ""
        else:
            figures = "".join(
                cell(own[position], width) for position, width in zip(titles[: len(widths)], widths, strict=True)
            )
        state = "" if own is not None or widths else f"{experiment.state}: "
        params = cut(state + write_params(experiment.params), params_width - 1)
        lines.append(
            f"{cut(for_terminal(experiment.name), name_width):<{name_width}} {params:<{params_width}}{figures}"
        )
    if len(widths) < len(heads):
        lines.append(cut(f"no room here, but in `reprise compare`: {', '.join(heads[len(widths) :])}", WIDTH))
    return lines


def row(cells: list[str], widths: list[int]) -> str:
    """Cells, each at the right end of its width."""
    return "".join(f"{text:>{width}}" for text, width in zip(cells[: len(widths)], widths, strict=True))


def cell(change: Change, width: int) -> str:
    """A figure with its mark; nothing where it is the same."""
    if change.verdict not in MARKS or change.here is None:
        return " " * width
    text = f"{change.here:.3f}{MARKS[change.verdict]}".rjust(width)
    return typer.style(text, fg=COLOURS.get(change.verdict))


def write_params(params: dict[str, Any]) -> str:
    """Parameters and values in a line."""
    return for_terminal(" ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in params.items()))


def cut(text: str, width: int) -> str:
    """At most so many characters; an ellipsis stands for the rest."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


if __name__ == "__main__":
    run_command(main)
