"""Compute everything anew and compare with what is committed.

    reprise verify          # in a fresh clone of HEAD: nothing comes from a cache
    reprise verify --here   # the workspace as it is, after `make repro`

On x86-64 processors with AVX2 every output in dvc.lock has to have the same bytes, if `hardware.same_bytes` pins the
kernels and no GPU computes. Elsewhere, and with `--figures`, sums may be rounded differently: the figures of
headlines.yaml have to agree within their tolerances. The exit code is 1 if something differs that may not.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from reprise.core import kernels
from reprise.core.command import run_command
from reprise.core.devices import torch_devices
from reprise.core.errors import InputError
from reprise.core.params import Hardware, load_params
from reprise.core.text import for_terminal
from reprise.tools.headlines import Change, compare
from reprise.tools.lock import LOCK, Record, stages_of
from reprise.tools.repository import Snapshot, commit_of, git


def main(
    here: Annotated[bool, typer.Option("--here", help="Compare the workspace instead of computing anew.")] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Bytes may differ, figures only within their tolerances.")
    ] = False,
) -> None:
    """Compute everything anew and compare with what is committed; the exit code is 1 if something differs."""
    exact = not figures and computes_the_same_bytes()
    if here:
        agrees = report(Path(), exact)
    else:
        with tempfile.TemporaryDirectory(prefix="reprise-verify-") as folder:
            clone = Path(folder) / "clone"
            git("clone", "--quiet", ".", str(clone))
            # Without the variables of the `make` that runs this: its jobs and options are not the clone's.
            inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
            if subprocess.run(["make", "-C", str(clone), "repro"], check=False, env=inherited).returncode:
                raise InputError("make repro: failed in a fresh clone of HEAD")
            agrees = report(clone, exact)
    if not agrees:
        raise typer.Exit(1)


def computes_the_same_bytes() -> bool:
    """Whether this machine computes the bytes of every other one of its architecture."""
    hardware = load_params("hardware", Hardware)
    return hardware.same_bytes and kernels.can_pin() and torch_devices(hardware) == ["cpu"]


def report(root: Path, exact: bool) -> bool:
    """Print how the results under `root` compare with those of HEAD.

    Args:
        root: of a repository in which everything was computed.
        exact: whether bytes have to be the same, too.

    Returns:
        Whether everything that has to agree does.
    """
    head_commit, here = Snapshot("HEAD", commit_of("HEAD")), Snapshot("here", root=root)
    committed, computed = (stages_of(side.read(LOCK)) for side in (head_commit, here))
    typer.echo(f"{'stage':<32}outputs of the same bytes")
    other = 0
    for name, record in committed.items():
        same, outputs = same_outputs(record, computed.get(name, {}))
        other += outputs - same
        typer.echo(f"{for_terminal(name):<32}{same} of {outputs}{'  DIFFERS' if exact and same < outputs else ''}")
    typer.echo(f"\n{'task':<12}{'figure':<34}{'committed':>10}{'here':>10}{'allowed':>9}")
    changes = compare(head_commit, here)
    for change in changes:
        head = change.headline
        figures = "".join(
            f"{'-' if value is None else format(value, '.4f'):>10}" for value in (change.base, change.here)
        )
        name = f"{for_terminal(head.task):<12}{for_terminal(head.title):<34}"
        verdict = "ok" if agrees(change) else "DIFFERS"
        typer.echo(f"{name}{figures}{head.tolerance:>9g}  {verdict}")
    agreeing = sum(agrees(change) for change in changes)
    typer.echo(f"\n{agreeing} of {len(changes)} figures agree within their tolerances")
    if exact and other:
        typer.echo(
            f"{other} outputs have other bytes than the committed ones, which this machine should repeat exactly"
        )
    return agreeing == len(changes) and not (exact and other)


def agrees(change: Change) -> bool:
    """Whether a figure differs by no more than its tolerance, or neither side has it, as without test labels."""
    if change.difference is None:
        return change.base is change.here  # both None; a figure that one side alone has is new, or gone
    return abs(change.difference) <= change.headline.tolerance


def same_outputs(committed: Record, computed: Record) -> tuple[int, int]:
    """How many of a stage's outputs have the same checksum; and how many there are."""
    sums = [{entry["path"]: entry["md5"] for entry in record.get("outs") or []} for record in (committed, computed)]
    return sum(sums[1].get(path) == checksum for path, checksum in sums[0].items()), len(sums[0])


if __name__ == "__main__":
    run_command(main)
