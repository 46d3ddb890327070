"""One markdown report for a pull request: what changed against the base, headline figures first.

    python -m reprise.tools.pull_request main

The exit code is 1, and the report says so first, where dvc.lock is behind the code: its figures would be of other code.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError
from reprise.tools.headlines import compare, table_rows
from reprise.tools.repository import base_of, file_at, git, stale_stages

SIGNS = {"better": "🟢 better", "worse": "🔴 worse", "same": "same", "new": "new", "gone": "gone", "absent": "absent"}
LOCK = Path("dvc.lock")


def main() -> int:
    """Run the command; returns the exit code."""
    if len(sys.argv) != 2:
        print("expected one argument, the base: python -m reprise.tools.pull_request main", file=sys.stderr)
        return 2
    try:
        base, stale = base_of(sys.argv[1]), stale_stages()
        print(write_report(sys.argv[1], base, stale))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if stale else 0


def write_report(name: str, base: str, stale: list[str]) -> str:
    """The whole report."""
    here = git("rev-parse", "--short", "HEAD").strip()
    parts = [f"## Reprise: {here} against {name} ({base[:7]})"]
    if stale:
        listed = ", ".join(f"`{stage}`" for stage in stale)
        parts.append(
            f"> [!CAUTION]\n> `dvc.lock` is behind the code: {listed} would run. The figures below are of other code. "
            "Run `make repro` and commit what it changes."
        )
    header = ["task", "figure", "base", "here", "change", ""]
    rows = [[*row[:-1], SIGNS[row[-1]]] for row in table_rows(compare(base), write_figure)]
    parts += ["### Headlines", markdown_table(header, rows)]
    parts += ["### Stages", describe_stages(base)]
    parts += ["### Parameters", dvc_diff("params", base)]
    every = dvc_diff("metrics", base)
    parts += ["### All metrics", "<details><summary>every figure that changed</summary>", every, "</details>"]
    return "\n\n".join(parts)


def write_figure(value: float | None) -> str:
    """Four digits, or nothing."""
    return "" if value is None else f"{value:.4f}"


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A table in markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def dvc_diff(kind: str, base: str) -> str:
    """DVC's own table of changed parameters or metrics.

    Raises:
        InputError: DVC failed.
    """
    command = ["dvc", kind, "diff", "--md", base[:12]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    rows = done.stdout.strip().splitlines()[2:]  # without header and ruler
    return done.stdout.strip() if rows else f"No change of {'parameters' if kind == 'params' else kind}."


def describe_stages(base: str) -> str:
    """Which stages were computed anew since the base, and from what."""
    before, now = stages_of(file_at(base, LOCK)), stages_of(LOCK.read_text(encoding="utf-8"))
    rows = [[f"`{name}`", "new", ""] for name in now if name not in before]
    rows += [[f"`{name}`", "removed", ""] for name in before if name not in now]
    for name in now:
        if name in before and (causes := what_changed(before[name], now[name])):
            outs = sorted(changed_paths(before[name], now[name], "outs"))
            timing = [path for path in outs if "timing" in Path(path).parts]
            results = [path for path in outs if path not in timing]
            rows.append([f"`{name}`", causes, f"{len(results)} outputs differ" if results else "the same outputs"])
    if not rows:
        return "No stage was computed anew."
    return markdown_table(["stage", "because of", "result"], sorted(rows))


def stages_of(text: str | None) -> dict[str, Any]:
    """The stages of a dvc.lock, by name."""
    from ruamel.yaml import YAML

    return dict(YAML(typ="safe").load(text)["stages"]) if text else {}


def what_changed(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Code, data or parameters that differ between two records of a stage, in words."""
    deps = changed_paths(before, now, "deps")
    code, data = [path for path in deps if path.startswith("src/")], [p for p in deps if not p.startswith("src/")]
    params = before.get("params") != now.get("params")
    causes = [f"code ({len(code)} files)"] * bool(code) + [f"data ({', '.join(sorted(data))})"] * bool(data)
    return ", ".join(causes + ["parameters"] * params + ["command"] * (before["cmd"] != now["cmd"]))


def changed_paths(before: dict[str, Any], now: dict[str, Any], kind: str) -> set[str]:
    """Paths among a stage's deps or outs whose checksums differ, or that only one of the records has."""
    sums = [{entry["path"]: entry.get("md5") for entry in record.get(kind, [])} for record in (before, now)]
    return {path for path in sums[0].keys() | sums[1].keys() if sums[0].get(path) != sums[1].get(path)}


if __name__ == "__main__":
    sys.exit(main())
