"""Git and DVC as subprocesses: files at a revision, the commit to compare with, stages that are out of date."""

import dataclasses
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from reprise.core.closure import code_of_stages
from reprise.core.errors import InputError
from reprise.core.text import for_terminal
from reprise.tools.lock import LOCK, code_of, readers_of, stages_of

SOURCE = Path("src")  # of the workspace, which is not always the one whose package runs
SITE_CACHE = Path(".cache/dvc-site")  # DVC unpickles what it finds there; its default folder is writable for everyone


def git(*arguments: str, check: bool = True) -> str:
    """Run Git and return what it printed; of files in another encoding than UTF-8, too.

    Raises:
        InputError: Git failed, where `check`; the line is its own.
    """
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, errors="surrogateescape", check=False)
    if check and done.returncode:
        raise InputError(f"git {' '.join(arguments)}: {' '.join(done.stderr.split())}")
    return done.stdout


def dvc_command(*arguments: str) -> list[str]:
    """The command line of this environment's DVC, activated or not."""
    return [sys.executable, "-P", "-m", "dvc", *arguments]


def dvc_environment() -> dict[str, str]:
    """Environment for `dvc_command`: stages start this environment's `python`, and the site cache is private."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"DVC_SITE_CACHE_DIR": str(SITE_CACHE.absolute()), **os.environ, "PATH": path}


def dvc(*arguments: str) -> str:
    """Run DVC and return what it printed.

    Raises:
        InputError: DVC failed; the line is its own.
    """
    done = _run_dvc(*arguments)
    if done.returncode:
        raise _failure(done, *arguments)
    return done.stdout


def _run_dvc(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(dvc_command(*arguments), env=dvc_environment(), capture_output=True, text=True, check=False)


def _failure(done: "subprocess.CompletedProcess[str]", *arguments: str) -> InputError:
    return InputError(f"dvc {' '.join(arguments)}: {' '.join(done.stderr.split())}")


def dvc_in_sight(*arguments: str) -> bool:
    """Run DVC with its output on the console; returns whether it succeeded."""
    return subprocess.run(dvc_command(*arguments), env=dvc_environment(), check=False).returncode == 0


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The repository's tracked files at a commit, or as they lie in a folder.

    Attributes:
        name: what people call it.
        commit: None for the folder.
        root: the folder.
    """

    name: str
    commit: str | None = None
    root: Path = Path()

    def read(self, path: Path) -> str | None:
        """A file's text; None where there is no such file.

        Raises:
            InputError: it is not text.
        """
        file = self.root / path
        try:
            if self.commit is not None:
                return _file_at_commit(self.commit, path)
            return file.read_text(encoding="utf-8") if file.is_file() else None
        except UnicodeDecodeError:
            raise InputError(f"{path}: not text in UTF-8, in {self.name}") from None


WORKSPACE = Snapshot("workspace")


def file_at(revision: str, path: Path) -> str | None:
    """A tracked file's text at a revision; None where it has no such file."""
    done = subprocess.run(["git", "show", f"{revision}:{path}"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


_file_at_commit = functools.lru_cache(maxsize=512)(file_at)  # many experiments share a baseline


def commit_of(revision: str) -> str:
    """The commit that a revision, or the name of a DVC experiment, means.

    Raises:
        InputError: there is neither.
    """
    names = [revision, *(name for name in experiment_references() if name.endswith(f"/{revision}"))]
    for name in names:
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if commit := git(*arguments, check=False).strip():
            return commit
    raise InputError(f"{for_terminal(revision)}: no such commit, branch, tag or experiment")


def experiment_references() -> list[str]:
    """Git's references of DVC's experiments: refs/exps/<two digits>/<the rest of the baseline>/<name>."""
    return git("for-each-ref", "--format=%(refname)", "refs/exps", check=False).split()


def base_of(revision: str) -> str:
    """The commit at which HEAD and a revision part: what a pull request is compared with.

    Raises:
        InputError: there is no such revision.
    """
    commit = commit_of(revision)
    return git("merge-base", commit, "HEAD", check=False).strip() or commit


def look_up(text: str | None, key: str) -> Any:
    """The value under a dotted key of a JSON text; None where there is neither.

    Raises:
        InputError: the text is not JSON.
    """
    try:
        value = json.loads(text) if text is not None else None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{key}: not in a valid JSON file: {error}") from None
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def stale_stages() -> list[str]:
    """Stages that `dvc repro` would run for another reason than cached data that is not here.

    Raises:
        InputError: DVC cannot read the pipeline, or a source is not Python.
    """
    arguments = ("repro", "--dry", "--allow-missing", "--keep-going")
    done = _run_dvc(*arguments)  # exits with 0 where stages would run, too
    stale = re.findall(r"^Running stage '(.+)':", done.stdout, re.MULTILINE)
    if done.returncode and not stale:
        raise _failure(done, *arguments)
    # Where data is not here, DVC leaves out what follows a stage that would run: it would run as well.
    left_out = [line for line in done.stderr.splitlines() if "be skipped" in line or "failed to reproduce" in line]
    stale += re.findall(r"'([\w@.-]+)'", " ".join(left_out))
    unchanged = set(re.findall(r"^Stage '(.+)' didn't change", done.stdout, re.MULTILINE))
    frozen = set(re.findall(r"'(.+)' is frozen", done.stderr))
    return list(dict.fromkeys([*stale, *_edited_stages(unchanged - frozen)]))


def _edited_stages(unchanged: set[str]) -> list[str]:
    """Stages whose code is not what dvc.lock records, and what follows those of them whose data is not here.

    Args:
        unchanged: those that DVC calls so. It compares them with hashes that `recipe@<task>` is still to renew.
    """
    lock = {name: record for name, record in stages_of(WORKSPACE.read(LOCK)).items() if name in unchanged}
    tasks = {stage.partition(".")[0] for record in lock.values() for stage in code_of(record)}
    now = {f"{task}.{module}": code for task in tasks for module, code in code_of_stages(task, SOURCE).items()}
    found = [name for name, record in lock.items() if not code_of(record).items() <= now.items()]
    for name in found:  # which grows
        if not all(Path(entry["path"]).exists() for entry in lock[name].get("deps") or []):
            found += [reader for reader in readers_of(lock, name) if reader not in found]
    return found
