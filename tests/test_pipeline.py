"""The graph tells the truth: what dvc.yaml says of each stage is what its source code does."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, read_params
from tests.import_closure import closure, imports_of, path_of

COMMANDS = {
    "taxonomy": ["predict"],
    "documents": ["predict", "batch_size"],
    "deepfake": ["predict", "vocode"],
    "common": ["doctor", "sweep", "audit", "remote", "current", "verify", "pull_request"],
    "report": ["build"],
}
TASKS = ["taxonomy", "documents", "deepfake"]


def stages() -> dict[str, dict[str, Any]]:
    """All stages with their templates filled in, by name."""
    declared = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    result = {}
    for name, stage in declared.items():
        matrix = stage.get("matrix", {})
        assert len(matrix) <= 1
        for key, values in matrix.items() or [("", [""])]:
            for value in values if isinstance(values, list) else value_of(values):
                text = {field: fill(content, key, value) for field, content in stage.items() if field != "matrix"}
                result[f"{name}@{value}" if key else name] = text
    return result


def value_of(template: str) -> Any:
    """What `${a.b}` stands for."""
    value = read_params()
    for key in template.removeprefix("${").removesuffix("}").split("."):
        value = value[key]
    return value


def fill(content: Any, key: str, value: Any) -> Any:
    if isinstance(content, str):
        return content.replace(f"${{item.{key}}}", str(value))
    if isinstance(content, list):
        return [fill(entry, key, value) for entry in content]
    if isinstance(content, dict):
        return {fill(name, key, value): fill(entry, key, value) for name, entry in content.items()}
    return content


STAGES = stages()


def module_path(stage: dict[str, Any]) -> Path:
    match = re.fullmatch(r"python -m (src\.[a-z_.]+)( .*)?", stage["cmd"])
    assert match, f"not a stage command: {stage['cmd']}"
    path = path_of(match[1])
    assert path, f"{match[1]} does not exist"
    return path


def leaves(values: Any, prefix: str = "") -> list[str]:
    if not isinstance(values, dict):
        return [prefix]
    return [leaf for key, value in values.items() for leaf in leaves(value, f"{prefix}.{key}" if prefix else str(key))]


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_import_closure(name):
    declared = {dep for dep in STAGES[name]["deps"] if dep.startswith("src/")}
    assert declared == {str(path.relative_to(ROOT)) for path in closure(module_path(STAGES[name]))}


def tracked_params(stage: dict[str, Any]) -> set[str]:
    """Keys of params.yaml; those of a resolved recipe stand under its file's name."""
    return {entry for entry in stage.get("params", []) if isinstance(entry, str)}


@pytest.mark.parametrize("name", STAGES)
def test_params_are_what_the_stage_reads(name):
    """Keys given to load_params and load_value in the stage's script, and its section, are tracked."""
    tree = ast.parse(module_path(STAGES[name]).read_text())
    read = {
        str(call.args[0].value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("load_params", "load_value")
        and isinstance(call.args[0], ast.Constant)
    }
    tracked = tracked_params(STAGES[name])
    if name.startswith("recipe@"):
        task = name.removeprefix("recipe@")
        assert tracked == {"train", f"{task}.recipe", f"{task}.recipes"}
    else:
        assert tracked == read - {"hardware"}


@pytest.mark.parametrize("task", TASKS)
def test_tasks_do_not_import_each_other_and_common_knows_none(task):
    others = [ROOT / "src" / other for other in TASKS if other != task]
    for path in (ROOT / "src" / task).glob("*.py"):
        assert not any(imported.is_relative_to(other) for imported in imports_of(path) for other in others)
    for path in (ROOT / "src/common").glob("*.py"):
        assert all(imported.is_relative_to(ROOT / "src/common") for imported in imports_of(path))


def test_every_module_is_reached_from_a_stage_or_a_command():
    reached = set().union(*(closure(module_path(stage)) for stage in STAGES.values()))
    for folder, names in COMMANDS.items():
        reached = reached.union(*(closure(ROOT / "src" / folder / f"{name}.py") for name in names))
    modules = {path for path in (ROOT / "src").rglob("*.py") if path.name != "__init__.py"}
    assert {str(path.relative_to(ROOT)) for path in modules - reached} == set()


def test_every_leaf_of_params_is_tracked_or_hardware():
    tracked = {key for stage in STAGES.values() for key in tracked_params(stage)}
    for leaf in leaves(read_params()):
        prefixes = {leaf.rsplit(".", cut)[0] for cut in range(leaf.count(".") + 1)}
        if leaf.split(".")[0] in ("hardware", "sweep"):  # where stages run, and what a search tries
            assert not prefixes & tracked, f"{leaf} is tracked"
        else:
            assert prefixes & tracked, f"{leaf} is tracked by no stage"


def test_every_value_of_params_has_a_comment_or_stands_under_one():
    text = (ROOT / "params.yaml").read_text()
    assert "&" not in re.sub(r"#.*|\".*?\"", "", text), "anchors do not survive `dvc exp run -S`"
    values = [match for line in text.splitlines() if (match := re.match(r" +([a-z_0-9]+): [^#]*\S *(#.*)?$", line))]
    explained = {match[1] for match in values if match[2]}  # once is enough for a key that each recipe has
    bare = [match[0] for match in values if match[1] not in explained]
    assert bare == []


@pytest.mark.parametrize(("task", "labels"), [("taxonomy", "doc2labels"), ("documents", "test_labels")])
def test_only_evaluation_reads_test_labels(task, labels):
    readers = {path.name for path in (ROOT / "src" / task).rglob("*.py") if labels in path.read_text()}
    assert readers == {"evaluate.py", "sample.py"}  # the sample writes them


def test_only_evaluation_imports_the_reader_of_labels():
    for name, stage in STAGES.items():
        imported = {path.name for path in closure(module_path(stage))}
        assert ("labels.py" in imported) == (name == "taxonomy-evaluate")


def test_no_training_of_the_deepfake_task_depends_on_the_eval_split():
    for name, stage in STAGES.items():
        if name == "deepfake-detector" or name.startswith("deepfake-explainer@"):
            paths = [dep for dep in stage["deps"] if not dep.startswith("src/")]
            assert paths
            assert not any("eval" in path or "partial" in path for path in paths)


def test_outputs_are_in_their_tasks_folders_and_metrics_in_git():
    for stage in STAGES.values():
        for kind in ("outs", "metrics", "plots"):
            for entry in stage.get(kind, []):
                path, options = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
                assert path.split("/")[0] in ("data", "models", "metrics")
                in_git = path.startswith("metrics/") or path.endswith("recipe.yaml")
                assert (options.get("cache") is False) == in_git, path
