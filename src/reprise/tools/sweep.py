"""Search a task's parameters: quasi-random trials, thinned by successive halving, each a DVC experiment.

    python -m reprise.tools.sweep documents --trials 20
    python -m reprise.tools.sweep documents --trials 20 --jobs 2 --apply

The space stands in params.yaml under `sweep.<task>`. Its points are drawn by scipy's scrambled Sobol sequence (Owen,
1998), which covers a space more evenly than random points. All of them are tried with few epochs, the better half with
twice as many, and so on up to the recipe's own (successive halving: Jamieson and Talwalkar, AISTATS 2016). Every trial
is an experiment with a name: `dvc exp show`, `apply` and `branch` work on it. A sweep that was killed goes on when it
is run again; a trial that fails is reported with its log and never counted. Only files that Git tracks, and what DVC
has cached, are seen by the trials, which run in folders of their own.
"""

import argparse
import dataclasses
import json
import logging
import math
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from reprise.core.errors import InputError
from reprise.core.files import hash_bytes, write_text
from reprise.core.params import Params, load_params, load_value

logger = logging.getLogger("reprise")

LOGS = Path(".logs")
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
        """The value at a place in [0, 1)."""
        if self.log_uniform is not None:
            low, high = np.log(self.log_uniform)
            return float(f"{math.exp(low + place * (high - low)):.4g}")
        if self.uniform is not None:
            return float(f"{self.uniform[0] + place * (self.uniform[1] - self.uniform[0]):.4g}")
        if self.integer is not None:
            return self.integer[0] + int(place * (self.integer[1] - self.integer[0] + 1))
        assert self.choice is not None
        return self.choice[int(place * len(self.choice))]


class SweepParams(Params):
    """Params sweep.<task>."""

    stages: list[str]  # what a trial runs, with what comes before
    metric: str  # file:key of the score
    direction: Literal["minimise", "maximise"]
    epochs: str  # the parameter that a trial's length is set by
    halvings: Annotated[int, Field(ge=0)]  # of the number of trials; their epochs are doubled each time
    space: Annotated[dict[str, Dimension], Field(min_length=1)]


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


def main() -> int:
    """Run the command; returns the exit code."""
    arguments = parse_arguments()
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.setLevel(logging.INFO)
    try:
        return sweep(arguments.task, arguments.trials, arguments.jobs, arguments.seed, arguments.apply)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 1


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Search a task's parameters by DVC experiments.")
    parser.add_argument("task", help="a key of the section `sweep` of params.yaml")
    parser.add_argument("--trials", type=int, default=16, help="points of the space (16)")
    parser.add_argument("--jobs", type=int, default=1, help="trials side by side (1)")
    parser.add_argument("--seed", type=int, default=0, help="of the points (0)")
    parser.add_argument("--apply", action="store_true", help="apply the best, and rerun whatever it changes")
    arguments = parser.parse_args()
    if arguments.trials < 1 or arguments.jobs < 1:
        parser.error("--trials and --jobs are 1 or more")
    return arguments


def sweep(task: str, trials: int, jobs: int, seed: int, apply: bool) -> int:
    """Run all rungs, report, and apply the best where asked; returns the exit code."""
    section = load_params(f"sweep.{task}", SweepParams)
    full = load_value(section.epochs)
    if not isinstance(full, int):
        raise InputError(f"params.yaml: {section.epochs}: {full!r}; sweep.{task}.epochs names a whole number")
    key = hash_bytes(section.model_dump_json().encode(), str(seed).encode(), *state_of_repository())[:6]
    points = draw_points(section.space, trials, seed)
    scores: dict[str, float] = {}
    tried: list[Trial] = []
    alive = list(range(trials))
    for rung in range(section.halvings + 1):
        epochs = max(1, round(full / 2 ** (section.halvings - rung)))
        batch = [Trial(n, points[n], epochs, f"{task}-{key}-{n:03d}-{epochs}e") for n in alive]
        logger.info("rung %d of %d: %d trials of %d epochs", rung + 1, section.halvings + 1, len(batch), epochs)
        scores |= run_trials(batch, section, jobs)
        tried += batch
        ranked = rank([trial for trial in batch if trial.name in scores], scores, section.direction)
        if not ranked:
            raise InputError(f"sweep.{task}: every trial of {epochs} epochs failed")
        alive = sorted(trial.number for trial in ranked[: math.ceil(len(batch) / 2)])
    table = report(task, section, tried, scores)
    print(f"\n{table}\n")
    best = rank([trial for trial in tried if trial.epochs == full and trial.name in scores], scores, section.direction)
    if apply:
        apply_best(best[0].name)
    else:
        print(f"the best: dvc exp apply {best[0].name}")
    return 0 if len(scores) == len(tried) else 1


def draw_points(space: dict[str, Dimension], count: int, seed: int) -> list[dict[str, Any]]:
    """Draw points evenly: the first `count` of a scrambled Sobol sequence, so that more trials keep the first ones."""
    from scipy.stats import qmc

    sampler = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(seed))
    places = sampler.random_base2(max(0, math.ceil(math.log2(count))))[:count]
    return [
        {name: dimension.value(place) for (name, dimension), place in zip(space.items(), row, strict=True)}
        for row in places.tolist()
    ]


def rank(trials: Sequence[Trial], scores: dict[str, float], direction: str) -> list[Trial]:
    """The trials, best first."""
    sign = 1 if direction == "minimise" else -1
    return sorted(trials, key=lambda trial: sign * scores[trial.name])


def run_trials(trials: Sequence[Trial], section: SweepParams, jobs: int) -> dict[str, float]:
    """Run what has not run before; returns scores by name, without those of trials that failed."""
    scores: dict[str, float] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for trial, score in zip(trials, pool.map(lambda trial: run_trial(trial, section), trials), strict=True):
            if score is not None:
                scores[trial.name] = score
    return scores


def run_trial(trial: Trial, section: SweepParams) -> float | None:
    """Run one trial as an experiment; returns its score, or None where it failed."""
    score, again = read_score(trial.name, section.metric), "found"
    if score is None:
        values = {section.epochs: trial.epochs, **trial.values}
        sets = [word for name, value in values.items() for word in ("--set-param", f"{name}={json.dumps(value)}")]
        log = LOGS / f"sweep-{trial.name}.log"
        LOGS.mkdir(exist_ok=True)
        with log.open("w", encoding="utf-8") as file:
            command = ["dvc", "exp", "run", "--temp", "--name", trial.name, *sets, *section.stages]
            code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
        score, again = read_score(trial.name, section.metric) if code == 0 else None, "done"
        if score is None or not math.isfinite(score):
            tail = "\n    ".join(log.read_text(encoding="utf-8").strip().splitlines()[-LINES_SHOWN:])
            logger.error("  %s failed (%s), log in %s:\n    %s", trial.name, trial.values, log, tail)
            return None
    logger.info("  %s %s: %.5g  %s", trial.name, again, score, json.dumps(trial.values))
    return score


def read_score(name: str, metric: str) -> float | None:
    """The score of a finished experiment of that name; None where there is none."""
    file, _, key = metric.partition(":")
    references = _git("for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    found = [reference for reference in references if reference.endswith(f"/{name}")]
    if not found:
        return None
    content = _git("show", f"{found[0]}:{file}")
    if content.returncode:
        raise InputError(f"{name}: no {file} in it: is it an output of the stages under sweep.<task>.stages?")
    value: Any = json.loads(content.stdout)
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise InputError(f"{name}: {file}: no {key!r} in it; sweep.<task>.metric is file:key")
        value = value[part]
    return float(value)


def state_of_repository() -> list[bytes]:
    """What trials start from: the commit, and what differs from it."""
    head, changes = _git("rev-parse", "HEAD"), _git("diff", "HEAD", "--", ".", ":!dvc.lock", ":!metrics")
    if head.returncode:
        raise InputError("a sweep takes a Git repository with a commit: experiments are kept in it")
    return [head.stdout.encode(), changes.stdout.encode()]


def _git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)


def report(task: str, section: SweepParams, tried: Sequence[Trial], scores: dict[str, float]) -> str:
    """Write the table and the picture, and return the table as text: longest trials first, best first in each."""
    import pandas as pd

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
    write_text(LOGS / f"sweep-{task}.csv", table.to_csv())
    plot_scores(LOGS / f"sweep-{task}.png", order, scores, section)
    failed = len(tried) - len(scores)
    notes = f"{len(scores)} trials, {failed} failed; picture and table: {LOGS}/sweep-{task}.png, .csv"
    return f"{table.to_string()}\n\n{notes}"


def short_names(values: dict[str, Any]) -> dict[str, Any]:
    """Parameters by the last part of their names, where that tells them apart."""
    short = [name.rsplit(".", 1)[-1] for name in values]
    return dict(zip(short if len(set(short)) == len(short) else values, values.values(), strict=True))


def plot_scores(path: Path, trials: Sequence[Trial], scores: dict[str, float], section: SweepParams) -> None:
    """Score against each parameter, a colour for each number of epochs."""
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
    """Bring the best trial's parameters into the workspace, and rerun whatever depends on them.

    Raises:
        InputError: DVC could not, and has said why.
    """
    for command in (["dvc", "exp", "apply", name], ["dvc", "repro"]):
        print(f"$ {' '.join(command)}", flush=True)
        if subprocess.run(command, check=False).returncode:
            raise InputError(f"{' '.join(command)}: failed")


if __name__ == "__main__":
    sys.exit(main())
