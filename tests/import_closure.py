"""Which modules of the package a module imports, directly or not, and which values of params.yaml it reads."""

import ast
from pathlib import Path

from reprise.core.closure import Sources

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "reprise"
TASKS = ("taxonomy", "documents", "deepfake")
SOURCES = Sources(SOURCE)
imports_of, closure = SOURCES.imports, SOURCES.closure


def stage_of(command: str) -> str:
    """What `python src/run.py <task>.<stage> ...` runs."""
    return command.split()[2]


def stage_file(command: str) -> Path:
    """The module of a stage's command."""
    task, stage = stage_of(command).split(".")
    return PACKAGE / task / "stages" / f"{stage}.py"


def place_of(path: Path) -> str:
    """What the stage `recipe@<task>` names in dvc.yaml for a file: its folder in the package, or the file beside it."""
    return "/".join(path.relative_to(ROOT).parts[: 3 if path.is_relative_to(PACKAGE) else 2])


def keys_read(tree: ast.Module) -> set[str]:
    """Keys of params.yaml that a module gives to load_params, load_value, load_path and load_seed."""
    keys = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            if call.func.id == "load_seed":
                keys.add("seed")
            elif call.func.id in ("load_params", "load_value", "load_path") and isinstance(call.args[0], ast.Constant):
                keys.add(str(call.args[0].value))
    return keys
