"""What the repository says of itself: files at a revision, and which stages the code has left behind."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from reprise.core.errors import InputError


def git(*arguments: str, check: bool = True) -> str:
    """Run Git and return what it printed.

    Raises:
        InputError: Git failed, where `check`; the line is its own.
    """
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise InputError(f"git {' '.join(arguments)}: {' '.join(done.stderr.split())}")
    return done.stdout


def file_at(revision: str, path: Path) -> str | None:
    """A tracked file's text at a revision; None where it has no such file."""
    done = subprocess.run(["git", "show", f"{revision}:{path}"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def base_of(revision: str) -> str:
    """The commit from which the present one and a revision part: what a pull request is compared with.

    Raises:
        InputError: there is no such revision.
    """
    commit = git("rev-parse", "--verify", f"{revision}^{{commit}}").strip()
    return git("merge-base", commit, "HEAD", check=False).strip() or commit


def look_up(text: str | None, key: str) -> Any:
    """The value under a dotted key of a JSON text; None where there is neither."""
    value = json.loads(text) if text is not None else None
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def stale_stages() -> list[str]:
    """Stages that `dvc repro` would run though nothing but cached data is missing: dvc.lock is behind the code.

    Raises:
        InputError: DVC cannot read the pipeline.
    """
    command = ["dvc", "repro", "--dry", "--allow-missing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:  # 0 where stages would run, too
        raise InputError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return re.findall(r"^Running stage '(.+)':", done.stdout, re.MULTILINE)
