"""How often chance alone is called a change: a task's training with ten seeds, and all 45 pairs compared.

    python -m tests.benchmarks.seed_study .cache/seeds

Runs at the root of a clone in which the taxonomy task has run, and changes `seed` in its params.yaml: texts and
similarities stay, what is drawn in training does not. Each run's lock and metrics are kept in the folder, so that a
second call goes on where the first one stopped. Prints every figure's mean and deviation, and the verdicts on pairs.
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

TASK = "taxonomy"
STAGES = ("taxonomy-train", "taxonomy-self-train", "taxonomy-evaluate")


def main(folder: Annotated[Path, typer.Argument(help="Where the runs are kept.")], seeds: int = 10) -> None:
    """Train with other seeds, and compare all pairs."""
    runs = [Snapshot(f"seed {seed}", root=run(folder / str(seed), seed)) for seed in range(1, seeds + 1)]
    for headline in read_headlines():
        if headline.task == TASK:
            figures = np.array([figure_of(snapshot, headline) for snapshot in runs], float)
            print(f"{headline.title}: {figures.mean():.4f}, standard deviation {figures.std(ddof=1):.4f}")
    verdicts = Counter(
        (change.headline.title, change.verdict)
        for one, other in itertools.combinations(runs, 2)
        for change in compare(one, other)
        if change.headline.task == TASK
    )
    for (title, verdict), count in sorted(verdicts.items()):
        print(f"{title}: {verdict} in {count} of {len(runs) * (len(runs) - 1) // 2} pairs")


def run(folder: Path, seed: int) -> Path:
    """Train with a seed, unless that was done before, and keep what came out."""
    if not folder.is_dir():
        path = Path("params.yaml")
        path.write_text(re.sub(r"(?m)^seed: \d+", f"seed: {seed}", path.read_text(encoding="utf-8")), encoding="utf-8")
        for stage in STAGES:
            if not dvc_in_sight("repro", "--single-item", stage):
                raise InputError(f"{stage} failed with seed {seed}")
        part = folder.with_suffix(".part")
        shutil.copytree(Path("metrics") / TASK, part / "metrics" / TASK)
        shutil.copy("dvc.lock", part)
        part.rename(folder)
    return folder


if __name__ == "__main__":
    run_command(main)
