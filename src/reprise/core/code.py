"""Which code this process runs: part of the key of whatever is kept to be used again, and compared when a stage ends.

The package's files are hashed once, as this module is imported, before a stage's own modules are. A module that is
loaded later from a file that was edited in between counts as changed.
"""

import importlib.metadata
import sys
from pathlib import Path

from reprise.core.files import hash_bytes

PACKAGE = Path(__file__).parents[1]


def hash_sources() -> dict[str, str]:
    """Hash every source file of the package: name of the module -> SHA-256."""
    return {
        ".".join([PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]): hash_bytes(path.read_bytes())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


_AT_START = hash_sources()


def code_fingerprint() -> str:
    """Hash of the package's modules that are loaded, as they were at the process's start."""
    loaded = [name for name in _AT_START if name in sys.modules]
    return hash_bytes(*(part.encode() for name in loaded for part in (name, _AT_START[name])))


def hash_modules(*names: str) -> str:
    """Hash of these modules of the package, as they were at the process's start."""
    return hash_bytes(*(part.encode() for name in names for part in (name, _AT_START[name])))


def versions(*distributions: str) -> str:
    """The installed versions of these distributions, in one line."""
    return " ".join(f"{name} {importlib.metadata.version(name)}" for name in distributions)


def changed_modules() -> list[str]:
    """Names of loaded modules whose files are no longer what they were at the process's start."""
    now = hash_sources()
    return [name for name, digest in _AT_START.items() if name in sys.modules and now.get(name) != digest]
