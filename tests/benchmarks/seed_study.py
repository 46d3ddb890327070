"""How often chance alone is called a change: a task's training with ten seeds, and all 45 pairs compared.

    python -m tests.benchmarks.seed_study .cache/seeds
    python -m tests.benchmarks.seed_study .cache/seeds-documents --task documents --seeds 5

Runs at the root of a clone in which the task has run, and changes `seed` in its params.yaml: the data stay, what is
drawn in training does not. Each run's lock and metrics are kept in the folder, so that a second call goes on where the
first one stopped. Prints every figure's mean and deviation over seeds (`seed_sd` in headlines.yaml), and the verdicts
on pairs.
"""

import itertools
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reprise.core.command import run_command
from reprise.core.errors import InputError
from reprise.tools.headlines import compare, figure_of, read_headlines
from reprise.tools.repository import Snapshot, dvc_in_sight

STAGES = {  # from the first that draws
    "taxonomy": ("taxonomy-train", "taxonomy-self-train", "taxonomy-evaluate"),
    "documents": (
        *(f"documents-train@{fold}" for fold in range(5)),
        "documents-calibrate",
        "documents-predict",
        "documents-evaluate",
    ),
    "deepfake": (
        "deepfake-detector",
        "deepfake-windows",
        *(f"deepfake-explainer@{mode}" for mode in ("ema", "fixed", "learnable")),
        "deepfake-evaluate",
        "deepfake-explain",
    ),
}


def main(
    folder: Annotated[Path, typer.Argument(help="Where the runs are kept.")], task: str = "taxonomy", seeds: int = 10
) -> None:
    """Train with other seeds, and compare all pairs."""
    if task not in STAGES:
        raise InputError(f"no task {task!r}; there are {', '.join(STAGES)}")
    runs = [Snapshot(f"seed {seed}", root=run(folder / str(seed), seed, task)) for seed in range(1, seeds + 1)]
    for headline in read_headlines():
        if headline.task == task:
            figures = np.array([figure_of(snapshot, headline) for snapshot in runs], float)
            print(f"{headline.title}: {figures.mean():.4f}, standard deviation {figures.std(ddof=1):.4f}")
    verdicts = Counter(
        (change.headline.title, change.verdict)
        for one, other in itertools.combinations(runs, 2)
        for change in compare(one, other)
        if change.headline.task == task
    )
    for (title, verdict), count in sorted(verdicts.items()):
        print(f"{title}: {verdict} in {count} of {len(runs) * (len(runs) - 1) // 2} pairs")


def run(folder: Path, seed: int, task: str) -> Path:
    """Train with a seed, unless that was done before, and keep what came out."""
    if not folder.is_dir():
        path = Path("params.yaml")
        path.write_text(re.sub(r"(?m)^seed: \d+", f"seed: {seed}", path.read_text(encoding="utf-8")), encoding="utf-8")
        for stage in STAGES[task]:
            if not dvc_in_sight("repro", "--single-item", stage):
                raise InputError(f"{stage} failed with seed {seed}")
        part = folder.with_suffix(".part")
        shutil.copytree(Path("metrics") / task, part / "metrics" / task)
        shutil.copy("dvc.lock", part)
        part.rename(folder)
    return folder


if __name__ == "__main__":
    run_command(main)
