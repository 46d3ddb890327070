"""A small copy of the pipeline whose stages cost nothing: the true dvc.yaml, params.yaml and sources, a false `python`.

The false interpreter writes down which stage DVC has started, and gives each of its outputs a content never seen
before, so that whatever depends on it has to run too. Recipe stages it resolves by the rule that params.yaml states,
and lets the copy's sources hash themselves.
"""

import contextlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from ruamel.yaml import YAML

from tests.conftest import ROOT, read_params
from tests.import_closure import PACKAGE, SOURCE, SOURCES, place_of

TASKS = ("taxonomy", "documents", "deepfake")
READ_YAML = YAML.load
INPUTS = {
    "taxonomy": [
        "classes.txt",
        "class_hierarchy.txt",
        "class_related_keywords.txt",
        "train_corpus.txt",
        "test_corpus.txt",
        "test_doc2labels.txt",
        "train_doc2labels.txt",
    ],
    "documents": [
        "train.csv",
        "meta.csv",
        "sample_submission.csv",
        "test_labels.csv",
        "train/page.jpg",
        "test/page.jpg",
    ],
    "deepfake": ["flac/one.flac", "train.txt", "dev.txt", "eval.txt"],
}
INTERPRETER = """#!{python} -IS
import json, os, sys, time, uuid
from pathlib import Path
stage = os.environ["DVC_STAGE"]
with open("started.log", "a") as log:
    log.write(stage + "\\n")
time.sleep(float(os.environ.get("STAGE_SECONDS", 0)))
outputs = json.loads(Path({outputs!r}).read_text())[stage]
for output in outputs:
    path = Path(output)
    if path.name == "code.json":
        sys.path.insert(0, os.path.abspath("src"))
        from reprise.core.closure import write_code
        write_code(path.parent.name)
        continue
    if stage.startswith("recipe@"):
        params = json.loads(Path("params.yaml").read_text())
        task = params[stage.removeprefix("recipe@")]
        shared = {{key: value for key, value in params["train"].items() if value is not None}}
        text = json.dumps({{**task["train"], **task["recipes"][task["recipe"]], **shared}}, sort_keys=True)
    else:
        text = str(uuid.uuid4())
    target = path if path.suffix else path / "file"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
"""


def one_module_a_kind() -> list[str]:
    """The first of the modules that lie in the same place and are imported by the same stages."""
    stages = [f"{path.parts[-3]}.{path.stem}" for path in PACKAGE.glob("*/stages/[!_]*.py")]
    closures = {stage: SOURCES.of_stage(stage) for stage in stages}
    kinds: dict[Any, str] = {}
    for path in sorted({*PACKAGE.rglob("[!_]*.py"), SOURCE / "run.py"}):
        kind = place_of(path), *(stage for stage, files in closures.items() if path in files)
        kinds.setdefault(kind, str(path.relative_to(ROOT)))
    return list(kinds.values())


class SmallGraph:
    """The copy, in which files are changed one after the other.

    Args:
        folder: empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "dvc.yaml", folder)
        shutil.copytree(SOURCE, folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        shutil.copy(ROOT / ".dvcignore", folder)
        pipeline = YAML(typ="safe").load((folder / "dvc.yaml").read_text())
        (folder / "dvc.yaml").write_text(json.dumps(pipeline))
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_text("[core]\n    analytics = false\n    no_scm = true\n")
        self.params = read_params()
        self.params["taxonomy"]["data"], self.params["documents"]["data"] = "own/taxonomy", "own/documents"
        self.params["documents"]["folds"] = [0, 1]
        self.params["deepfake"]["data"] = "own/deepfake/flac"
        self.params["deepfake"]["protocols"] = {name: f"own/deepfake/{name}.txt" for name in ("train", "dev", "eval")}
        self.write_params()
        for task, files in INPUTS.items():
            for copy in (task, f"{task}2"):
                for file in files:
                    path = folder / "own" / copy / file
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"{copy} {file}")
        shutil.copytree(folder / "own/deepfake2/flac", folder / "own/deepfake/flac2")
        for name in ("train", "dev", "eval"):
            shutil.copy(folder / f"own/deepfake2/{name}.txt", folder / f"own/deepfake/{name}.txt2")
        self._make_interpreter()
        self.stages = self._load_stages()
        self.repro()

    def write_params(self) -> None:
        """Write params.yaml, as JSON, which is YAML too."""
        (self.folder / "params.yaml").write_text(json.dumps(self.params))

    def repro(self) -> set[str]:
        """Run `dvc repro`; returns the stages that were started."""
        from dvc.repo import Repo

        log = self.folder / "started.log"
        log.unlink(missing_ok=True)
        before = Path.cwd(), os.environ["PATH"]
        os.chdir(self.folder)
        os.environ["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{before[1]}"
        try:
            with (
                mock.patch("dvc.dvcfile.modify_yaml", modify_as_json),
                mock.patch("ruamel.yaml.YAML.load", load_json),
                mock.patch("dvc.rwlock.rwlock", return_value=contextlib.nullcontext()),  # nobody else is here
                mock.patch("dvc.utils.strictyaml.validate", lambda data, *_, **__: data),  # _load_stages did
                Repo() as repo,
            ):
                repo.reproduce()
        finally:
            os.chdir(before[0])
            os.environ["PATH"] = before[1]
        return set(log.read_text().split()) if log.exists() else set()

    def append(self, file: str, line: str) -> None:
        """Add a line to a file."""
        with (self.folder / file).open("a") as handle:
            handle.write(f"\n{line}\n")

    def _make_interpreter(self) -> None:
        program = self.folder / "bin/python"
        program.parent.mkdir()
        program.write_text(INTERPRETER.format(python=sys.executable, outputs=str(self.folder / "outputs.json")))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def _load_stages(self) -> dict[str, dict[str, Any]]:
        """Command, inputs and outputs of each stage, templates filled in."""
        from dvc.repo import Repo

        with Repo(str(self.folder)) as repo:
            stages = {
                stage.name: {
                    "cmd": stage.cmd,
                    "deps": [dep.def_path for dep in stage.deps if not hasattr(dep, "params")],
                    "params": {dep.def_path: list(dep.params) for dep in stage.deps if hasattr(dep, "params")},
                    "outs": [out.def_path for out in stage.outs],
                }
                for stage in repo.index.stages
            }
        (self.folder / "outputs.json").write_text(json.dumps({name: stage["outs"] for name, stage in stages.items()}))
        return stages


@contextlib.contextmanager
def modify_as_json(path: str, fs: Any = None) -> Iterator[dict[str, Any]]:
    """Write dvc.lock as JSON, which is YAML too: DVC's own writer takes a second for each stage."""
    file = Path(path)
    data = load_json(YAML(typ="safe"), file.read_text()) if file.exists() else {}
    yield data
    file.write_text(json.dumps(data))


def load_json(self: YAML, stream: Any) -> Any:
    """Read YAML that is JSON: nearly all files here are, and DVC reads params.yaml once for each stage."""
    text = stream if isinstance(stream, str) else stream.read()
    try:
        return json.loads(text)
    except ValueError:
        return READ_YAML(self, text)


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all values; lists and empty sections count as one."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{name}.")
        else:
            yield name


def other(value: Any) -> Any:
    """A value that differs."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}2"
        case None:
            return 987  # what no key holds already
        case list():
            return value[::-1] if value != value[::-1] else [*value, *value]
        case _:
            return {"x": 1}
