"""dvc.lock as a record: which stages were computed anew between two of them, and because of what."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reprise.core.closure import code_path
from reprise.core.errors import InputError

LOCK = Path("dvc.lock")
PACKAGE = "src/reprise/"
LISTED = 8  # files of a cause

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


def is_code(path: str) -> bool:
    """Whether a file holds hashes of code: DVC lists them among parameters."""
    return Path(path) == code_path(Path(path).parent.name)


def code_of(record: Record) -> dict[str, str]:
    """The hash of a stage's code: `taxonomy.train` -> hash; nothing where its record has none."""
    files = {Path(file).parent.name: hashes for file, hashes in (record.get("params") or {}).items() if is_code(file)}
    return {f"{task}.{module}": str(value) for task, hashes in files.items() for module, value in hashes.items()}


def parameters_of(record: Record) -> dict[str, Any]:
    """A stage's parameters by file, without the hash of its code."""
    return {file: values for file, values in (record.get("params") or {}).items() if not is_code(file)}


def what_changed(before: Record, now: Record, edited: Sequence[str] = ()) -> str:
    """Code, data, parameters or command that differ between two records of a stage, in words.

    Args:
        before: the one.
        now: the other.
        edited: files of the stage's code that differ.
    """
    deps = sorted(changed_paths(before, now, "deps"))
    data = [path for path in deps if not path.startswith("src/")]
    causes = []
    if code_of(before) != code_of(now):
        causes.append(_listed("code", edited))
    elif folders := [path for path in deps if path.startswith("src/")]:
        causes.append(_listed("code", folders))
    causes += [_listed("data", data)] * bool(data)
    causes += ["parameters"] * (parameters_of(before) != parameters_of(now))
    return ", ".join(causes + ["command"] * (before.get("cmd") != now.get("cmd")))


def _listed(kind: str, paths: Sequence[str]) -> str:
    """A cause with its first paths."""
    shown = [path.removeprefix(PACKAGE) for path in paths[:LISTED]]
    shown += [f"{len(paths) - LISTED} more"] * (len(paths) > LISTED)
    return f"{kind} ({', '.join(shown)})" if shown else kind


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
    differ because they were computed elsewhere: on another processor, or with other versions of the packages. A stage
    whose output is the same in both locks causes nothing after it.
    """
    waiting, seen = [stage], {stage}
    while waiting:
        name = waiting.pop()
        if name not in before or name not in now:
            return True
        earlier, record = before[name], now[name]
        if earlier.get("cmd") != record.get("cmd") or code_of(earlier) != code_of(record):
            return True
        given = parameters_of(earlier), parameters_of(record)
        files = {file for file in given[0].keys() | given[1].keys() if given[0].get(file) != given[1].get(file)}
        written = {path: writers_into(now, path) for path in changed_paths(earlier, record, "deps") | files}
        if not all(written.values()):
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


def readers_of(lock: Mapping[str, Record], stage: str) -> list[str]:
    """The stages that read something that a stage writes."""
    inputs = {
        name: [entry["path"] for entry in record.get("deps") or []] + list(record.get("params") or {})
        for name, record in lock.items()
    }
    return [name for name, paths in inputs.items() if any(stage in writers_into(lock, path) for path in paths)]
