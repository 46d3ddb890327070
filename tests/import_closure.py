"""Which local modules a module imports, directly or not: worked out from the source alone."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def path_of(module: str) -> Path | None:
    """File of a dotted local module; packages are their folders' empty __init__.py and count as nothing."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


@cache
def imports_of(path: Path) -> frozenset[Path]:
    """Local files that a file imports, anywhere in it: imports inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    paths = (path_of(name) for name in names if name.startswith("src."))
    return frozenset(found for found in paths if found)


def closure(path: Path) -> set[Path]:
    """A file and all that it imports."""
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += imports_of(current)
    return found
