"""What `dvc repro` runs after a change, against what the sources say it has to run.

Every leaf of params.yaml, every module and every kind of input file is changed, one after the other, in a small copy.
The expected stages come from the imports, from what the sources read of params.yaml, and from the files that pass from
stage to stage; dvc.yaml's own lists of modules and parameters are not asked.
"""

import ast
from collections.abc import Set as AbstractSet
from typing import Any

import pytest

from reprise.tools.lock import is_code
from tests.conftest import ROOT, read_params
from tests.import_closure import SOURCES, keys_read, place_of, stage_file, stage_of
from tests.system.small_graph import INPUTS, TASKS, SmallGraph, leaves, one_module_a_kind, other

pytestmark = pytest.mark.system

UNTRACKED = ("hardware", "log")  # where stages run, and what they show: no result depends on them
OTHER_RECIPES = {"taxonomy.recipe": "bert-base", "documents.recipe": "scratch", "deepfake.recipe": "conformer-tcm"}


class Truth:
    """What has to run, worked out from the sources."""

    def __init__(self, graph: SmallGraph) -> None:
        self.graph = graph
        self.scripts = {name: stage_file(stage["cmd"]) for name, stage in graph.stages.items()}
        self.closures = {name: SOURCES.of_stage(stage_of(stage["cmd"])) for name, stage in graph.stages.items()}
        self.read = {
            name: keys_read(ast.parse(path.read_text())) - set(UNTRACKED) for name, path in self.scripts.items()
        }

    def of_comment(self, module: str) -> set[str]:
        """The stages that hash the code of their task: one that reads the folder of a module."""
        tasks = {
            stage_file(self.graph.stages[name]["cmd"]).parts[-3]
            for name, files in self.closures.items()
            if place_of(ROOT / module) in {place_of(path) for path in files}
        }
        return {f"recipe@{task}" for task in tasks}

    def of_module(self, module: str) -> set[str]:
        importing = {name for name, files in self.closures.items() if ROOT / module in files}
        return self.downstream(importing | self.of_comment(module))

    def of_leaf(self, leaf: str) -> set[str]:
        task, _, rest = leaf.partition(".")
        if task in UNTRACKED:
            return set()
        direct = {name for name, keys in self.read.items() if any(under(leaf, key) for key in keys)}
        if task == "train":
            recipes = {f"recipe@{task}" for task in TASKS}
            return self.downstream(direct | recipes, recipes, rest)
        if rest.startswith(("recipe", "train.")):
            recipe, params = f"recipe@{task}", self.graph.params[task]
            chosen = params["recipe"]
            if rest.startswith("recipes.") and not rest.startswith(f"recipes.{chosen}."):
                return self.downstream(direct)
            key = leaf.rsplit(".", 1)[-1]
            overridden = self.graph.params["train"].get(key) is not None
            hidden = rest != "recipe" and (
                overridden or (rest.startswith("train.") and key in params["recipes"][chosen])
            )
            return self.downstream(direct | {recipe}, set() if hidden else {recipe}, key)
        return self.downstream(direct)

    def of_file(self, path: str) -> set[str]:
        readers = {name for name, stage in self.graph.stages.items() if any(under_path(path, d) for d in stage["deps"])}
        return self.downstream(readers)

    def downstream(
        self, direct: set[str], changed_recipes: AbstractSet[str] = frozenset(), key: str | None = None
    ) -> set[str]:
        """The stages, and all that take what they write.

        A recipe stage that writes the same recipe passes nothing on; and one stage reads one key of it alone.
        """
        found, waiting = set(direct), list(direct)
        while waiting:
            name = waiting.pop()
            recipe = name.startswith("recipe@")
            if recipe and name not in changed_recipes:
                continue
            for other_name, stage in self.graph.stages.items():
                takes = any(
                    under_path(out, dep) or under_path(dep, out)
                    for out in self.graph.stages[name]["outs"]
                    for dep in stage["deps"]
                )
                written = [out for out in self.graph.stages[name]["outs"] if not is_code(out)]  # no value changes code
                keys = [k for out in written for k in stage["params"].get(out, [])]
                if recipe and keys:
                    takes |= key is None or key == "recipe" or key in keys
                if takes and other_name not in found:
                    found.add(other_name)
                    waiting.append(other_name)
        return found


def under(leaf: str, key: str) -> bool:
    return leaf == key or leaf.startswith(f"{key}.")


def under_path(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    graph = SmallGraph(tmp_path_factory.mktemp("graph"))
    assert graph.repro() == set(), "nothing is left to run"
    return graph


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A graph whose params.yaml stays as it was made."""
    return SmallGraph(tmp_path_factory.mktemp("untouched"))


def groups() -> dict[str, list[str]]:
    """Leaves by section, those last that other leaves' expectations hang on."""
    found: dict[str, list[str]] = {}
    for leaf in leaves(read_params()):
        rest = leaf.partition(".")[2]
        part = ".".join(leaf.split(".")[: 3 if rest.startswith("recipes.") else 2])
        found.setdefault(part, []).append(leaf)
    for own in found.values():
        own.sort(key=lambda leaf: leaf.endswith((".recipe", ".data")) or ".protocols." in leaf)
    return found


def find_leaf(params: dict[str, Any], leaf: str) -> tuple[dict[str, Any], str]:
    """The section that holds a leaf, and its key there, which may have dots in it."""
    place, rest = params, leaf
    while rest not in place:
        key = next(key for key in place if rest.startswith(f"{key}."))
        place, rest = place[key], rest.removeprefix(f"{key}.")
    return place, rest


@pytest.mark.parametrize("group", groups())
def test_a_parameter_reruns_what_reads_it(group, graph):
    truth, wrong = Truth(graph), {}
    for leaf in groups()[group]:
        place, last = find_leaf(graph.params, leaf)
        expected = truth.of_leaf(leaf)
        section, _, rest = leaf.partition(".")
        decides_nothing = section in UNTRACKED or rest.startswith("recipes.")
        assert expected or decides_nothing, f"{leaf}: nothing reads it"
        place[last] = OTHER_RECIPES.get(leaf) or other(place[last])
        graph.write_params()
        if (ran := graph.repro()) != expected:
            wrong[leaf] = {"ran for nothing": ran - expected, "did not run": expected - ran}
    assert wrong == {}


@pytest.mark.parametrize("module", one_module_a_kind())
def test_a_module_reruns_what_imports_it(module, graph):
    expected = Truth(graph).of_module(module)
    graph.append(module, "CHANGED = 1")
    ran = graph.repro()
    assert ran - expected == set(), "ran for nothing"
    assert expected - ran == set(), "did not run"


@pytest.mark.parametrize("module", ["run.py", "reprise/core/stage.py", "reprise/taxonomy/zero_shot/encoder.py"])
def test_a_comment_or_a_docstring_reruns_what_hashes_the_code(module, graph):
    path = graph.folder / "src" / module
    path.write_text('"""Another docstring."""' + path.read_text().removeprefix('"""').partition('"""')[2])
    graph.append(f"src/{module}", "# a comment")
    assert graph.repro() == Truth(graph).of_comment(f"src/{module}")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.xdist_group("inputs")
def test_an_input_file_reruns_what_reads_it(task, untouched):
    graph, truth = untouched, Truth(untouched)
    for file in INPUTS[task]:
        path = f"own/{task}/{file}"
        graph.append(path, "changed")
        expected = truth.of_file(path)
        assert f"{task}-prepare" in expected
        assert graph.repro() == expected, path
