"""The graph tells the truth: what dvc.yaml says of each stage is what its source code does."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reprise.core.closure import code_of_stages, code_path
from tests.conftest import ROOT, read_params
from tests.import_closure import (
    PACKAGE,
    SOURCE,
    SOURCES,
    TASKS,
    closure,
    imports_of,
    keys_read,
    place_of,
    stage_file,
    stage_of,
)

UNTRACKED = ("hardware", "log")  # where stages run, and what they show


def load_stages() -> dict[str, dict[str, Any]]:
    """All stages as DVC itself reads them, templates filled in, by name."""
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        return {
            stage.addressing: {
                "cmd": stage.cmd,
                "deps": [dep.def_path for dep in stage.deps if not hasattr(dep, "params")],
                "params": {dep.def_path: list(dep.params) for dep in stage.deps if hasattr(dep, "params")},
                "outs": {out.def_path: out.use_cache for out in stage.outs},
            }
            for stage in repo.index.stages
        }


STAGES = load_stages()


def modules_of(stage: dict[str, Any]) -> frozenset[Path]:
    return SOURCES.of_stage(stage_of(stage["cmd"]))


def leaves(values: Any, prefix: str = "") -> list[str]:
    if not isinstance(values, dict) or not values:
        return [prefix]
    return [leaf for key, value in values.items() for leaf in leaves(value, f"{prefix}.{key}" if prefix else str(key))]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_hash_of_its_own_code(name):
    task, module = stage_of(STAGES[name]["cmd"]).split(".")
    own = {} if module == "recipe" else {str(code_path(task)): [module]}
    assert {file: keys for file, keys in STAGES[name]["params"].items() if file.endswith("code.json")} == own
    code = {dep for dep in STAGES[name]["deps"] if dep.startswith("src/")}
    if module != "recipe":
        assert code == set()
    else:
        stages = [stage for stage in STAGES.values() if stage_of(stage["cmd"]).startswith(f"{task}.")]
        assert code == {place_of(path) for stage in stages for path in modules_of(stage)}, "what the hashes are of"


@pytest.mark.parametrize("task", TASKS)
def test_the_committed_hashes_are_those_of_the_code(task):
    assert json.loads((ROOT / code_path(task)).read_text()) == code_of_stages(task, SOURCE), f"run recipe@{task}"


@pytest.mark.parametrize("name", STAGES)
def test_params_are_what_the_stage_reads(name):
    """Keys that the stage's module gives to the readers of params.yaml are tracked."""
    tree = ast.parse(stage_file(STAGES[name]["cmd"]).read_text())
    read = keys_read(tree)
    tracked = set(STAGES[name]["params"].get("params.yaml", []))
    if name.startswith("recipe@"):
        task = name.removeprefix("recipe@")
        chosen = read_params()[task]["recipe"]
        assert tracked == {"train", f"{task}.recipe", f"{task}.train", f"{task}.recipes.{chosen}"}
    else:
        assert tracked == read - set(UNTRACKED)


def test_imports_run_one_way():
    """Core, training, onnx and bulk, a task's libraries, its stages; tools beside them."""
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts
        for imported in imports_of(path):
            other = imported.relative_to(PACKAGE).parts
            assert "stages" not in other, f"{path} imports the stage {imported}"
            if own[0] == "core":
                assert other[0] == "core", f"{path} imports {imported}"
            if own[0] == "training":
                assert other[0] in ("core", "training"), f"{path} imports {imported}"
            if own[0] == "onnx":
                assert other[0] in ("core", "onnx"), f"{path} imports {imported}"
            if own[0] == "bulk":
                assert other[0] in ("core", "bulk"), f"{path} imports {imported}"
            if own[0] in TASKS:
                assert other[0] in ("core", "training", "onnx", "bulk", own[0]), f"{path} imports {imported}"


@pytest.mark.parametrize("task", TASKS)
def test_prediction_imports_no_trainer(task):
    """Neither the package's own training code, nor Lightning, nor DVCLive."""
    files = closure(PACKAGE / task / "predict.py")
    assert not [path for path in files if path.is_relative_to(PACKAGE / "training")]
    for path in files:
        assert not re.search(r"^\s*(from|import) (lightning|dvclive)\b", path.read_text(), re.MULTILINE), path


def test_every_module_is_reached_from_a_stage_or_a_command():
    commands = {
        path
        for path in PACKAGE.rglob("*.py")
        if re.search(r"^    run_command\(|^run_command\(|^    main\(\)$", path.read_text(), re.MULTILINE)
        or path.name == "cli.py"
    }
    reached = set().union(*(modules_of(stage) for stage in STAGES.values()), *(closure(path) for path in commands))
    modules = {path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    assert {str(path.relative_to(ROOT)) for path in modules - reached} == set()


def test_every_leaf_of_params_is_tracked_or_decides_nothing():
    tracked = {key for stage in STAGES.values() for key in stage["params"].get("params.yaml", [])}
    params = read_params()
    for leaf in leaves(params):
        section, _, rest = leaf.partition(".")
        prefixes = {leaf.rsplit(".", cut)[0] for cut in range(leaf.count(".") + 1)}
        other_recipe = rest.startswith("recipes.") and rest.split(".")[1] != params[section]["recipe"]
        if section in UNTRACKED or other_recipe:
            assert not prefixes & tracked, f"{leaf} is tracked"
        else:
            assert prefixes & tracked, f"{leaf} is tracked by no stage"


def test_every_key_of_params_has_a_comment():
    """Once is enough for a key that several sections have; a recipe's keys are those of `train`."""
    text = (ROOT / "params.yaml").read_text()
    assert "&" not in re.sub(r"#.*|\".*?\"", "", text), "anchors do not survive `dvc exp run -S`"
    explained = {match[1] for match in re.finditer(r"^ *([a-z_0-9]+):[^#\n]*#", text, re.MULTILINE)}
    keys = {leaf.split(".")[-1] for leaf in leaves(read_params()) if ".recipes." not in leaf}
    assert keys - explained == set()


def test_dvc_changes_one_line_where_it_writes_a_value(tmp_path):
    """`dvc exp run -S` and `dvc freeze` load these files and dump them again: both are stored as DVC dumps them."""
    from dvc.utils.hydra import apply_overrides
    from dvc.utils.serialize import modify_yaml

    params, pipeline = tmp_path / "params.yaml", tmp_path / "dvc.yaml"
    shutil.copy(ROOT / params.name, params)
    apply_overrides(str(params), ["train.lr=5e-4"])
    before, after = (ROOT / params.name).read_text().splitlines(), params.read_text().splitlines()
    assert [line for line in after if line not in before] == ["  lr: 0.0005"]
    assert len(after) == len(before)
    shutil.copy(ROOT / pipeline.name, pipeline)
    with modify_yaml(str(pipeline)) as data:  # as `dvc freeze` does
        data["stages"]["deepfake-detector"]["frozen"] = True
    before, after = (ROOT / pipeline.name).read_text().splitlines(), pipeline.read_text().splitlines()
    assert [line for line in after if line not in before] == ["    frozen: true"]
    assert len(after) == len(before) + 1


@pytest.mark.parametrize(("task", "labels"), [("taxonomy", "doc2labels"), ("documents", "test_labels")])
def test_only_evaluation_reads_test_labels(task, labels):
    folder = PACKAGE / task
    for path in folder.rglob("*.py"):
        if labels in path.read_text() and path != folder / "paths.py":
            places = ("quality", "sample", "stages/evaluate.py", "stages/sample.py")
            assert any(path.is_relative_to(folder / place) for place in places), path
    for name, stage in STAGES.items():
        if name.startswith(task) and not name.endswith(("evaluate", "sample")):
            assert not [path for path in modules_of(stage) if path.name == "labels.py"], name


def test_no_training_of_the_deepfake_task_depends_on_the_eval_split():
    for name, stage in STAGES.items():
        if name == "deepfake-detector" or name.startswith("deepfake-explainer@"):
            assert stage["deps"]
            assert not any("eval" in path or "partial" in path for path in stage["deps"])


def test_outputs_are_in_their_tasks_folders_and_metrics_in_git():
    for stage in STAGES.values():
        for path, cached in stage["outs"].items():
            assert path.split("/")[0] in ("data", "models", "metrics")
            assert cached != (path.startswith("metrics/") or path.endswith(("code.json", "recipe.yaml"))), path


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_one_artifact(task):
    """`dvc artifacts get` fetches all that prediction reads by one name."""
    artifacts = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["artifacts"]
    assert set(artifacts) == set(TASKS)
    assert artifacts[task]["path"] == f"models/{task}"
    models = [path for stage in STAGES.values() for path in stage["outs"] if path.startswith(f"models/{task}/")]
    assert len(models) > 1


def test_sizes_that_a_person_can_read():
    for name, limit in {"params.yaml": 13_312, "dvc.yaml": 13_312, "dvc.lock": 51_200}.items():
        assert (ROOT / name).stat().st_size <= limit, name


def test_the_stage_of_a_copy_imports_the_copy(tmp_path):
    """As `dvc exp run --temp` runs it: beside an environment in which this checkout's package is installed."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    stage = tmp_path / "src/reprise/taxonomy/stages/recipe.py"
    stage.write_text("def main() -> None:\n    print('the copy')\n")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = subprocess.run(
        [sys.executable, "src/run.py", "taxonomy.recipe"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "the copy" in done.stdout
