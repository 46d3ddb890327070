"""One Markdown report for a pull request: what changed against the base, headline figures first.

    reprise pull-request main
    make pr-report BASE=main

The exit code is 1, and the report opens with it, if dvc.lock is behind the code: the figures would be of other code.
"""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from reprise.core.closure import Sources, parse
from reprise.core.command import run_command
from reprise.core.text import for_markdown
from reprise.tools.headlines import Change, compare, split_elsewhere, table_rows
from reprise.tools.lock import LOCK, changed_paths, code_of, is_code, stages_of, what_changed
from reprise.tools.repository import SOURCE, WORKSPACE, Snapshot, base_of, dvc, git, stale_stages

SIGNS = {"better": "🟢 better", "worse": "🔴 worse", "within noise": "⚪ within noise", "changed": "⚪ changed"}


def main(base: Annotated[str, typer.Argument(help="Branch or commit to compare with.")] = "main") -> None:
    """Write what changed against a base as Markdown; the exit code is 1 if dvc.lock is behind the code."""
    commit, stale = base_of(base), stale_stages()
    typer.echo(write_report(base, commit, stale))
    if stale:
        raise typer.Exit(1)


def write_report(name: str, base: str, stale: list[str]) -> str:
    """The whole report."""
    here = git("rev-parse", "--short", "HEAD").strip()
    parts = [f"## Reprise: {here} against {for_markdown(name)} ({base[:7]})"]
    if stale:
        listed = ", ".join(for_markdown(stage, code=True) for stage in stale)
        parts.append(
            f"> [!CAUTION]\n> `dvc.lock` is behind the code: {listed} would run. The figures below are of other code. "
            "Run `make repro` and commit what it changes."
        )
    judged, elsewhere = split_elsewhere(compare(Snapshot(name, base), WORKSPACE))
    parts += ["### Headlines", headline_table(judged)]
    if elsewhere:
        why = "No parameter, code or data of these figures changed: another processor, or other versions of packages."
        parts += ["### Computed elsewhere", why, headline_table(elsewhere)]
    parts += ["### Stages", describe_stages(base)]
    parts += ["### Parameters", describe_differences("params", base)]
    every = describe_differences("metrics", base)
    parts += ["### All metrics", "<details><summary>every figure that changed</summary>", every, "</details>"]
    return "\n\n".join(parts)


def headline_table(changes: list[Change]) -> str:
    """Figures with their changes, the intervals of these, and what became of each."""
    header = ["task", "figure", "base", "here", "change", "95 % interval of it", ""]
    verdicts = [SIGNS.get(change.verdict, change.verdict) for change in changes]
    rows = table_rows(changes, write_figure)
    cells = [[*map(for_markdown, row), verdict] for row, verdict in zip(rows, verdicts, strict=True)]
    return markdown_table(header, cells)


def write_figure(value: float | None) -> str:
    """Four digits, or nothing."""
    return "" if value is None else f"{value:.4f}"


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A table of cells that are Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows))


def describe_differences(kind: str, base: str) -> str:
    """Table of the parameters or metrics that DVC finds changed since the base.

    Args:
        kind: params or metrics.
        base: a commit.

    Raises:
        InputError: DVC failed.
    """
    found = json.loads(dvc(kind, "diff", "--json", base))
    rows = [
        [
            for_markdown(path, code=True),
            for_markdown(key, code=True),
            write_value(values, "old"),
            write_value(values, "new"),
        ]
        for path, keys in sorted(found.items())
        if not is_code(path)  # hashes, which DVC takes for parameters
        for key, values in sorted(keys.items())
    ]
    if not rows:
        return f"No change of {'parameters' if kind == 'params' else kind}."
    return markdown_table(["file", "key", "base", "here"], rows)


def write_value(values: dict[str, Any], side: str) -> str:
    """One side of a difference, as code; nothing where that side lacks it."""
    value = values.get(side)
    text = f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
    return "" if value is None else for_markdown(text, code=True)


def describe_stages(base: str) -> str:
    """Which stages were computed anew since the base, and because of what."""
    snapshot, sources = Snapshot("base", base), Sources(SOURCE)
    before, now = stages_of(snapshot.read(LOCK)), stages_of(WORKSPACE.read(LOCK))
    rows = [[name, "new", ""] for name in now if name not in before]
    rows += [[name, "removed", ""] for name in before if name not in now]
    for name in now:
        if name not in before:
            continue
        recoded = code_of(before[name]) != code_of(now[name])
        edited = edited_files(snapshot, sources, code_of(now[name])) if recoded else []
        if causes := what_changed(before[name], now[name], edited):
            results = changed_paths(before[name], now[name], "outs")
            rows.append([name, causes, f"different outputs: {len(results)}" if results else "the same outputs"])
    if not rows:
        return "No stage was computed anew."
    cells = [[for_markdown(name, code=True), for_markdown(causes), result] for name, causes, result in sorted(rows)]
    return markdown_table(["stage", "because of", "result"], cells)


def edited_files(base: Snapshot, sources: Sources, stages: Iterable[str]) -> list[str]:
    """Files of the code of stages, such as `taxonomy.train`, whose code is not the base's; comments do not count."""
    edited = []
    for path in sorted(frozenset().union(*map(sources.of_stage, stages))):
        text = base.read(path)
        if text is None or parse(text, f"{path} ({base.name})").code != sources.read(path).code:
            edited.append(path.as_posix())
    return edited


if __name__ == "__main__":
    run_command(main)
