"""Compute everything anew and compare with what is committed.

    python -m reprise.tools.verify          # in a fresh clone of HEAD: nothing comes from a cache
    python -m reprise.tools.verify --here   # the workspace as it is, after `make repro`

On the kind of machine that the commit was made on, every output but timings has the same bytes. Elsewhere sums round
differently, and the figures of headlines.yaml have to agree within their tolerances. The exit code is 1 if one does
not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError
from reprise.tools.headlines import Change, compare
from reprise.tools.pull_request import stages_of
from reprise.tools.repository import file_at, git

LOCK = Path("dvc.lock")


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Compute everything anew and compare with what is committed.")
    parser.add_argument("--here", action="store_true", help="compare the workspace instead of computing anew")
    arguments = parser.parse_args()
    try:
        if arguments.here:
            return report(Path())
        with tempfile.TemporaryDirectory(prefix="reprise-verify-") as folder:
            clone = Path(folder) / "clone"
            git("clone", "--quiet", ".", str(clone))
            own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # not this make's
            if subprocess.run(["make", "-C", str(clone), "repro"], check=False, env=own).returncode:
                raise InputError("make repro: failed in a fresh clone of HEAD")
            return report(clone)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1


def report(root: Path) -> int:
    """Print both comparisons of the results under `root` with those of HEAD; returns the exit code."""
    committed, computed = (
        stages_of(text) for text in (file_at("HEAD", LOCK), (root / LOCK).read_text(encoding="utf-8"))
    )
    print(f"{'stage':<32}outputs of the same bytes")
    for name, record in committed.items():
        same, outputs = same_outputs(record, computed.get(name, {}))
        print(f"{name:<32}{same} of {outputs}")
    print(f"\n{'task':<12}{'figure':<34}{'committed':>10}{'here':>10}{'allowed':>9}")
    changes = compare("HEAD", root)
    for change in changes:
        head = change.headline
        figures = "".join(
            f"{'-' if value is None else format(value, '.4f'):>10}" for value in (change.base, change.here)
        )
        print(f"{head.task:<12}{head.title:<34}{figures}{head.tolerance:>9g}  {'ok' if agrees(change) else 'DIFFERS'}")
    bad = [change for change in changes if not agrees(change)]
    print(f"\n{len(changes) - len(bad)} of {len(changes)} figures agree within their tolerances")
    return 1 if bad else 0


def agrees(change: Change) -> bool:
    """Whether a figure is there in both and differs by no more than its tolerance."""
    return change.difference is not None and abs(change.difference) <= change.headline.tolerance


def same_outputs(committed: dict[str, Any], computed: dict[str, Any]) -> tuple[int, int]:
    """How many of a stage's outputs, timings apart, have the same checksum; and how many there are."""
    sums = [
        {entry["path"]: entry["md5"] for entry in record.get("outs", []) if "timing" not in Path(entry["path"]).parts}
        for record in (committed, computed)
    ]
    return sum(sums[1].get(path) == checksum for path, checksum in sums[0].items()), len(sums[0])


if __name__ == "__main__":
    sys.exit(main())
