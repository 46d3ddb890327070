"""Which modules of the package a module imports, directly or not: worked out from the source alone."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "reprise"
TASKS = ("taxonomy", "documents", "deepfake")
RUNNER = PACKAGE / "core/stage.py"  # runs every stage


def path_of(module: str) -> Path | None:
    """File of a dotted module of the package; a folder's empty __init__.py counts as nothing."""
    path = SOURCE.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


@cache
def imports_of(path: Path) -> frozenset[Path]:
    """Files of the package that a file imports, anywhere in it: imports inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    paths = (path_of(name) for name in names if name.startswith("reprise."))
    return frozenset(found for found in paths if found)


@cache
def closure(path: Path) -> frozenset[Path]:
    """A file and all that it imports."""
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += imports_of(current)
    return frozenset(found)


def stage_file(command: str) -> Path:
    """The module that `python src/run.py <task>.<stage> ...` runs."""
    task, stage = command.split()[2].split(".")
    return PACKAGE / task / "stages" / f"{stage}.py"


def place_of(path: Path) -> str:
    """What dvc.yaml names for a file: its folder two levels below the package at most, or a task's own file."""
    parts = path.relative_to(PACKAGE).parts
    if parts[0] in TASKS and (len(parts) == 2 or parts[1] == "stages"):
        return str(path.relative_to(ROOT))
    depth = 2 if parts[0] in TASKS else 1
    return str(PACKAGE.joinpath(*parts[:depth]).relative_to(ROOT))


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
