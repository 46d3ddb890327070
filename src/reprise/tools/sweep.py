"""Search a task's parameters: quasi-random trials, thinned by successive halving, each a DVC experiment.

    reprise sweep documents
    reprise sweep documents --trials 40 --jobs 2 --apply

The section `<task>` of sweeps.yaml holds the space. scipy's scrambled Sobol sequence (Owen, 1998) draws its
points, since it covers a space more evenly than random points. All points are tried with few epochs, the better half
with twice as many, and so on up to the recipe's own (successive halving: Jamieson and Talwalkar, AISTATS 2016). Every
trial is a DVC experiment with a name: `dvc exp show`, `apply` and `branch` work on it. To resume a sweep that was
killed, run it again. A trial that fails, or whose score is not a number, is reported with its log and not counted.
Trials run in copies of the repository, with the files that Git tracks and the data that DVC has cached.
"""

import dataclasses
import hashlib
import json
import math
import re
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import Field, model_validator

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.core.overrides import override
from reprise.core.params import Params, load_params, load_value
from reprise.core.text import for_csv, for_terminal
from reprise.tools.repository import dvc_command, dvc_environment, dvc_in_sight, experiment_references, git, look_up

SWEEPS_FILE = Path("sweeps.yaml")
LOGS = Path(".logs")
PROGRESS = re.compile(r"epoch|^Running stage|^Stage ", re.IGNORECASE)  # lines of a trial's log that say how far it is
LINES_SHOWN = 12  # of a failed trial's log


class Dimension(Params):
    """How one parameter is drawn: exactly one of the keys."""

    log_uniform: tuple[float, float] | None = None  # from, to
    uniform: tuple[float, float] | None = None
    integer: tuple[int, int] | None = None  # both ends included
    choice: list[Any] | None = None

    @model_validator(mode="after")
    def _check(self) -> "Dimension":
        chosen = [value for value in vars(self).values() if value is not None]
        if len(chosen) != 1 or len(chosen[0]) == 0:
            raise ValueError("expected one of log_uniform, uniform, integer: [from, to], choice: [values]")
        if self.choice is None and not chosen[0][0] < chosen[0][1]:
            raise ValueError(f"expected [from, to] with from < to, got {list(chosen[0])}")
        if self.log_uniform is not None and self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform is of positive numbers, got {list(self.log_uniform)}")
        return self

    def value(self, place: float) -> Any:
        """Map a place in [0, 1) to a value."""
        if self.log_uniform is not None:
            low, high = map(math.log, self.log_uniform)
            return float(f"{math.exp(low + place * (high - low)):.4g}")
        if self.uniform is not None:
            return float(f"{self.uniform[0] + place * (self.uniform[1] - self.uniform[0]):.4g}")
        if self.integer is not None:
            return self.integer[0] + int(place * (self.integer[1] - self.integer[0] + 1))
        assert self.choice is not None
        return self.choice[int(place * len(self.choice))]


class SweepParams(Params):
    """A section of sweeps.yaml."""

    stages: list[str]  # what a trial runs, with what comes before
    metric: str  # file:key of the score
    direction: Literal["minimise", "maximise"]
    epochs: str  # the parameter that a trial's length is set by
    halvings: Annotated[int, Field(ge=0)]  # of the number of trials; their epochs are doubled each time
    space: Annotated[dict[str, Dimension], Field(min_length=1)]

    @model_validator(mode="after")
    def _refuse_to_search_the_length(self) -> "SweepParams":
        if self.epochs in self.space:
            raise ValueError(f"space: {self.epochs} is what `epochs` sets in each round; leave it out")
        return self


@dataclasses.dataclass(frozen=True)
class Trial:
    """One point of the space, tried with so many epochs.

    Attributes:
        number: of the point.
        values: by parameter.
        epochs: of the training.
        name: of the experiment.
    """

    number: int
    values: dict[str, Any]
    epochs: int
    name: str


def main(
    task: Annotated[str, typer.Argument(help="A section of sweeps.yaml.")],
    trials: Annotated[int, typer.Option(min=1, help="Points of the space.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, help="Trials to run side by side.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the points.")] = 0,
    apply: Annotated[bool, typer.Option("--apply", help="Apply the best trial, and run what it changes.")] = False,
) -> None:
    """Search a task's parameters, each trial a DVC experiment; the exit code is 1 if a trial failed."""
    try:
        complete = sweep(task, trials, jobs, seed, apply)
    except KeyboardInterrupt:
        raise InputError("interrupted; to resume, run the same command again") from None
    if not complete:
        raise typer.Exit(1)


def sweep(task: str, trials: int, jobs: int, seed: int, apply: bool) -> bool:
    """Run all rungs, report, and apply the best trial where asked; returns whether every trial succeeded."""
    section = load_params(task, SweepParams, SWEEPS_FILE)
    for name in (section.epochs, *section.space):
        check_effective(name)
    full = load_value(section.epochs)
    if not isinstance(full, int) or full < 1:
        raise InputError(
            f"params.yaml: {section.epochs}: {full!r}; {SWEEPS_FILE}: {task}.epochs names a whole number, at least 1"
        )
    key = fingerprint(section, seed)
    points = draw_points(section.space, trials, seed)
    scores: dict[str, float] = {}
    tried: list[Trial] = []
    alive = list(range(trials))
    lengths = rungs(full, section.halvings)
    for rung, epochs in enumerate(lengths, 1):
        batch = [Trial(n, points[n], epochs, f"{task}-{key}-{n:03d}-{epochs}e") for n in alive]
        typer.echo(f"rung {rung} of {len(lengths)}: {len(batch)} trials of {epochs} epochs")
        scores |= run_trials(batch, section, jobs)
        tried += batch
        ranked = rank([trial for trial in batch if trial.name in scores], scores, section.direction)
        if not ranked:
            raise InputError(f"{SWEEPS_FILE}: {task}: every trial of {epochs} epochs failed")
        alive = sorted(trial.number for trial in ranked[: math.ceil(len(batch) / 2)])
    typer.echo(f"\n{report(task, section, tried, scores)}\n")
    best = rank([trial for trial in tried if trial.epochs == full and trial.name in scores], scores, section.direction)
    if not apply:
        typer.echo(f"the best: dvc exp apply {best[0].name}")
    else:
        apply_best(best[0].name)
    return len(scores) == len(tried)


def rungs(full: int, halvings: int) -> list[int]:
    """How many epochs the trials of each round have: the recipe's own in the last, half as many in each one before.

    Rounds that come to the same whole number are one: its trials would be run and ranked a second time.
    """
    return sorted({max(1, round(full / 2**halving)) for halving in range(halvings + 1)})


def check_effective(name: str) -> None:
    """Refuse a parameter that exists nowhere, or that another layer of params.yaml overrides.

    A task's `train` is overridden by its chosen recipe, and both by the top `train`, where that is not null.

    Args:
        name: dotted, such as `documents.train.lr` or `documents.recipes.quick.lr`.

    Raises:
        InputError: a trial would change nothing.
    """
    load_value(name)
    task, _, rest = name.partition(".")
    layer, _, key = rest.partition(".")
    if layer not in ("train", "recipes"):
        return
    chosen = load_value(f"{task}.recipe")
    if layer == "recipes":
        recipe, _, key = key.partition(".")
        if recipe != chosen:
            raise InputError(
                f"sweep: {name}: {task}.recipe is {chosen}, so no trial would read it; choose {recipe}, or search "
                f"{task}.recipes.{chosen}.{key}"
            )
    elif look_up_value(f"{task}.recipes.{chosen}.{key}") is not None:
        raise InputError(f"sweep: {name}: {task}.recipes.{chosen}.{key} overrides it; search that one")
    if look_up_value(f"train.{key}") is not None:
        raise InputError(f"sweep: {name}: train.{key} overrides it; set that to null, or search it")


def look_up_value(name: str) -> Any:
    """A value of params.yaml; None where there is none."""
    try:
        return load_value(name)
    except InputError:
        return None


def fingerprint(section: SweepParams, seed: int) -> str:
    """Six digits that tell sweeps apart: of their section, their seed, the commit, and what differs from the commit.

    Raises:
        InputError: no Git repository with a commit, or a shallow one, in which DVC loses a trial as it ends.
    """
    try:
        state = git("rev-parse", "HEAD"), git("diff", "HEAD", "--", ".", ":!dvc.lock", ":!metrics", ":!models")
    except InputError:
        raise InputError("a sweep needs a Git repository with a commit: DVC keeps experiments in it") from None
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        raise InputError("a sweep needs all commits, and this clone is shallow: git fetch --unshallow")
    parts = json.dumps([section.model_dump(mode="json"), seed, *state])
    return hashlib.sha256(parts.encode()).hexdigest()[:6]


def draw_points(space: dict[str, Dimension], count: int, seed: int) -> list[dict[str, Any]]:
    """Draw the first `count` points of a scrambled Sobol sequence: a sweep of more trials begins with the same ones."""
    import numpy as np
    from scipy.stats import qmc

    sampler = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(seed))
    places = sampler.random_base2(max(0, math.ceil(math.log2(count))))[:count]
    return [
        {name: dimension.value(place) for (name, dimension), place in zip(space.items(), row, strict=True)}
        for row in places.tolist()
    ]


def rank(trials: Sequence[Trial], scores: dict[str, float], direction: str) -> list[Trial]:
    """Sort trials, the best first."""
    sign = 1 if direction == "minimise" else -1
    return sorted(trials, key=lambda trial: sign * scores[trial.name])


def run_trials(trials: Sequence[Trial], section: SweepParams, jobs: int) -> dict[str, float]:
    """Run the trials that have no score yet; returns scores by name, without those of trials that failed."""
    scores: dict[str, float] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for trial, score in zip(trials, pool.map(lambda trial: run_trial(trial, section), trials), strict=True):
            if score is not None:
                scores[trial.name] = score
    return scores


def run_trial(trial: Trial, section: SweepParams) -> float | None:
    """Run one trial as an experiment; returns its score, or None if it failed or its score is not a number."""
    score, again = read_score(trial.name, section.metric), "found"
    if score is None:
        values = {section.epochs: trial.epochs, **trial.values}
        sets = [word for name, value in values.items() for word in ("--set-param", setting(name, value))]
        log = LOGS / f"sweep-{trial.name}.log"
        # Trials side by side lock the repository in turn, while they are set up and recorded.
        command = ["--wait-for-lock", "exp", "run", "--temp", "--name", trial.name, *sets, *section.stages]
        code = run_logged(trial.name, command, log)
        score, again = read_score(trial.name, section.metric) if code == 0 else None, "done"
        if score is None:
            tail = "\n    ".join(log.read_text(encoding="utf-8").strip().splitlines()[-LINES_SHOWN:])
            typer.echo(f"  {trial.name} failed ({trial.values}), log in {log}:\n    {tail}")
            return None
    if not math.isfinite(score):
        typer.echo(f"  {trial.name} failed ({trial.values}): its score is {score}")
        return None
    typer.echo(f"  {trial.name} {again}: {score:.5g}  {for_terminal(json.dumps(trial.values))}")
    return score


def setting(name: str, value: Any) -> str:
    """One value of a trial as DVC's `--set-param` reads it."""
    return override(name, value) if isinstance(value, str) else f"{name}={json.dumps(value, ensure_ascii=False)}"


def run_logged(name: str, arguments: Sequence[str], log: Path) -> int:
    """Run DVC with its output in a log, and show each line that says how far it is; returns the exit code."""
    log.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            dvc_command(*arguments),
            env=dvc_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            file.flush()
            if PROGRESS.search(line):
                typer.echo(f"  {name} {time.monotonic() - started:4.0f} s: {for_terminal(line.strip())}")
    return process.returncode


def read_score(name: str, metric: str) -> float | None:
    """The score of a finished experiment of that name, which may be NaN; None where there is no such experiment.

    Raises:
        InputError: the experiment lacks the file or the key.
    """
    file, _, key = metric.partition(":")
    found = [reference for reference in experiment_references() if reference.endswith(f"/{name}")]
    if not found:
        return None
    try:
        content = git("show", f"{found[0]}:{file}")
    except InputError:
        raise InputError(f"{name}: no {file} in it: is it an output of the stages that sweeps.yaml names?") from None
    value = look_up(content, key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name}: {file}: {key}: {value!r}, not a number; `metric` in sweeps.yaml is file:key")
    return float(value)


def report(task: str, section: SweepParams, tried: Sequence[Trial], scores: dict[str, float]) -> str:
    """Write the table and the picture; returns the table as text: longest trials first, the best of a length first."""
    import pandas as pd

    from reprise.core.files import write_text

    lengths = sorted({trial.epochs for trial in tried}, reverse=True)
    order = [
        trial
        for epochs in lengths
        for trial in rank(
            [trial for trial in tried if trial.epochs == epochs and trial.name in scores], scores, section.direction
        )
    ]
    key = section.metric.partition(":")[2]
    rows = [{"epochs": t.epochs, key: scores[t.name], **short_names(t.values), "experiment": t.name} for t in order]
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="rank"))
    write_text(LOGS / f"sweep-{task}.csv", table.map(for_csv).to_csv())
    plot_scores(LOGS / f"sweep-{task}.png", order, scores, section)
    failed = len(tried) - len(scores)
    notes = f"{len(scores)} trials, {failed} failed; picture and table: {LOGS}/sweep-{task}.png, .csv"
    return f"{table.map(lambda cell: for_terminal(cell) if isinstance(cell, str) else cell).to_string()}\n\n{notes}"


def short_names(values: dict[str, Any]) -> dict[str, Any]:
    """Rename parameters to the last part of their names, unless two of them share it."""
    short = [name.rsplit(".", 1)[-1] for name in values]
    return dict(zip(short if len(set(short)) == len(short) else values, values.values(), strict=True))


def plot_scores(path: Path, trials: Sequence[Trial], scores: dict[str, float], section: SweepParams) -> None:
    """Draw the score over each parameter, in a colour for each number of epochs."""
    from reprise.core.figures import plt, save_figure

    names = list(section.space)
    figure, panels = plt.subplots(1, len(names), figsize=(3.4 * len(names), 3.2), sharey=True, squeeze=False)
    for axes, name in zip(panels[0], names, strict=True):
        for epochs in sorted({trial.epochs for trial in trials}):
            chosen = [trial for trial in trials if trial.epochs == epochs]
            values = [trial.values[name] for trial in chosen]
            values = [str(value) for value in values] if section.space[name].choice is not None else values
            axes.scatter(values, [scores[trial.name] for trial in chosen], s=22, label=f"{epochs} epochs")
        if section.space[name].log_uniform is not None:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(lambda *_: "")
        axes.set_xlabel(name.removeprefix("train.").rsplit("recipes.", 1)[-1])
        axes.grid(alpha=0.25)
    panels[0][0].set_ylabel(section.metric.partition(":")[2])
    panels[0][-1].legend(fontsize=8)
    save_figure(figure, path)


def apply_best(name: str) -> None:
    """Bring the best trial's parameters into the workspace, and run the stages that depend on them.

    Raises:
        InputError: DVC failed, and has said why.
    """
    for arguments in (["exp", "apply", name], ["repro"]):
        typer.echo(f"$ dvc {' '.join(arguments)}")
        if not dvc_in_sight(*arguments):
            raise InputError(f"dvc {' '.join(arguments)}: failed")


if __name__ == "__main__":
    run_command(main)
