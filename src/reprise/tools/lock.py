"""dvc.lock as a record: which stages were computed anew between two of them, and because of what."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError

LOCK = Path("dvc.lock")
PACKAGE = "src/reprise/"

Record = Mapping[str, Any]  # a stage in dvc.lock: cmd, deps, params, outs


@functools.lru_cache(maxsize=8)
def stages_of(text: str | None) -> Mapping[str, Record]:
    """The stages of a dvc.lock, by name; none for None.

    Raises:
        InputError: it is no lock.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not text or not text.strip():
        return {}
    try:
        return dict(YAML(typ="safe").load(text)["stages"])
    except (YAMLError, KeyError, TypeError, ValueError):
        raise InputError(f"{LOCK}: not what DVC writes; restore it with `git checkout {LOCK}`") from None


def changed_paths(before: Record, now: Record, kind: str) -> set[str]:
    """Paths among a stage's deps or outs whose checksums differ, or that only one of the records has."""
    sums = [{entry["path"]: entry.get("md5") for entry in record.get(kind) or []} for record in (before, now)]
    return {path for path in sums[0].keys() | sums[1].keys() if sums[0].get(path) != sums[1].get(path)}


def what_changed(before: Record, now: Record) -> str:
    """Code, data, parameters or command that differ between two records of a stage, in words."""
    deps = sorted(changed_paths(before, now, "deps"))
    code = [path.removeprefix(PACKAGE) for path in deps if path.startswith("src/")]
    data = [path for path in deps if not path.startswith("src/")]
    causes = [f"{kind} ({', '.join(paths)})" for kind, paths in (("code", code), ("data", data)) if paths]
    causes += ["parameters"] * (before.get("params") != now.get("params"))
    return ", ".join(causes + ["command"] * (before.get("cmd") != now.get("cmd")))


def writer_of(lock: Mapping[str, Record], path: str) -> str | None:
    """The stage that writes a path, or a folder above it; None where none does."""
    for name, record in lock.items():
        if any(covers(entry["path"], path) for entry in record.get("outs") or []):
            return name
    return None


def covers(folder: str, path: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(f"{folder}/")


def caused_here(before: Mapping[str, Record], now: Mapping[str, Record], stage: str) -> bool:
    """Whether a command, a parameter, code or data of a stage, or of one that it builds on, differs between two locks.

    What stages write is not a cause of its own: a stage before this one wrote it. Where no cause is left, the outputs
    differ because they were computed elsewhere: on another processor, or with other versions of the packages.
    """
    waiting, seen = [stage], {stage}
    while waiting:
        name = waiting.pop()
        if name not in before or name not in now:
            return True
        earlier, record = before[name], now[name]
        if earlier.get("cmd") != record.get("cmd"):
            return True
        inputs = {entry["path"] for side in (earlier, record) for entry in side.get("deps") or []}
        files = {file for side in (earlier, record) for file in side.get("params") or {}}
        written = {path: writers_into(now, path) for path in inputs | files}
        if any(not written[path] for path in changed_paths(earlier, record, "deps")):
            return True
        given = [{f: v for f, v in (side.get("params") or {}).items() if not written[f]} for side in (earlier, record)]
        if given[0] != given[1]:
            return True
        new = {writer for writers in written.values() for writer in writers} - seen
        seen |= new
        waiting += new
    return False


def writers_into(lock: Mapping[str, Record], path: str) -> set[str]:
    """The stages that write a path, a folder above it, or something in it."""
    return {
        name
        for name, record in lock.items()
        if any(covers(entry["path"], path) or covers(path, entry["path"]) for entry in record.get("outs") or [])
    }
