"""dvc.lock as a record: which stages were computed anew between two of them, and because of what."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LOCK = Path("dvc.lock")
PACKAGE = "src/reprise/"

Record = Mapping[str, Any]  # a stage in dvc.lock: cmd, deps, params, outs


def stages_of(text: str | None) -> dict[str, Record]:
    """The stages of a dvc.lock, by name; none for None."""
    from ruamel.yaml import YAML

    return dict(YAML(typ="safe", pure=False).load(text)["stages"]) if text and text.strip() else {}


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


def without_timing(paths: Iterable[str]) -> list[str]:
    """The paths that are no timings, which differ from run to run."""
    return [path for path in paths if "timing" not in Path(path).parts]
