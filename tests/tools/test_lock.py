import copy
from typing import Any

import pytest

from reprise.core.errors import InputError
from reprise.tools.lock import caused_here, code_of, readers_of, stages_of, what_changed
from reprise.tools.repository import Snapshot


@pytest.mark.parametrize("text", ["schema: '2.0'", "[1, 2", "stages: 5", "just text", "stages:"])
def test_a_damaged_lock_is_one_line(text):
    with pytest.raises(InputError, match=r"^dvc\.lock: not what DVC writes; restore it with `git checkout dvc\.lock`$"):
        stages_of(text)


def test_no_lock_has_no_stages():
    assert stages_of(None) == stages_of(" \n") == {}
    assert stages_of("schema: '2.0'\nstages:\n  a:\n    cmd: b\n") == {"a": {"cmd": "b"}}


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "metrics.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"^metrics\.json: not text in UTF-8, in workspace$"):
        Snapshot("workspace", root=tmp_path).read((tmp_path / "metrics.json").relative_to(tmp_path))


LOCK: dict[str, Any] = {
    "recipe@toy": {
        "cmd": "python src/run.py toy.recipe",
        "deps": [{"path": "src/reprise/toy", "md5": "a"}],
        "params": {"params.yaml": {"toy.recipe": "small"}},
        "outs": [{"path": "models/toy/code.json", "md5": "b"}, {"path": "models/toy/recipe.yaml", "md5": "c"}],
    },
    "toy-train": {
        "cmd": "python src/run.py toy.train",
        "deps": [{"path": "models/toy/recipe.yaml", "md5": "c"}],
        "params": {"params.yaml": {"seed": 1}, "models/toy/code.json": {"train": "1234"}},
        "outs": [{"path": "models/toy/model", "md5": "d"}],
    },
    "toy-evaluate": {
        "cmd": "python src/run.py toy.evaluate",
        "deps": [{"path": "models/toy/model", "md5": "d"}],
        "params": {"models/toy/code.json": {"evaluate": "5678"}},
        "outs": [{"path": "metrics/toy.json", "md5": "e"}],
    },
}


def edit(lock: dict[str, Any], stage: str, kind: str, path: str, md5: str) -> None:
    next(entry for entry in lock[stage][kind] if entry["path"] == path)["md5"] = md5


def test_a_hash_of_code_is_no_parameter():
    before, now = LOCK["toy-train"], copy.deepcopy(LOCK["toy-train"])
    assert code_of(before) == {"toy.train": "1234"}
    assert code_of(LOCK["recipe@toy"]) == code_of({"cmd": "x"}) == {}
    now["params"]["models/toy/code.json"]["train"] = "9999"
    assert what_changed(before, now) == "code"
    files = [f"src/reprise/toy/{number}.py" for number in range(10)]
    assert what_changed(before, now, files[:2]) == "code (toy/0.py, toy/1.py)"
    assert what_changed(before, now, files).endswith("toy/6.py, toy/7.py, 2 more)")
    now["params"]["params.yaml"]["seed"] = 2
    now["deps"][0]["md5"] = "z"
    assert what_changed(before, now) == "code, data (models/toy/recipe.yaml), parameters"
    now["params"]["models/toy/code.json"]["train"] = "1234"
    assert what_changed(before, now) == "data (models/toy/recipe.yaml), parameters"


def test_an_edit_is_a_cause_where_the_stages_own_hash_changed():
    """The stage that writes the hashes reads whole folders, and runs after an edit of a comment as well."""
    now = copy.deepcopy(LOCK)
    edit(now, "recipe@toy", "deps", "src/reprise/toy", "z")
    edit(now, "toy-train", "outs", "models/toy/model", "z")  # computed on another machine
    edit(now, "toy-evaluate", "deps", "models/toy/model", "z")
    edit(now, "toy-evaluate", "outs", "metrics/toy.json", "z")
    assert not caused_here(LOCK, now, "toy-evaluate"), "a comment was edited"
    edit(now, "recipe@toy", "outs", "models/toy/code.json", "z")
    now["toy-other"] = {"params": {"models/toy/code.json": {"other": "1"}}}
    assert not caused_here(LOCK, now, "toy-evaluate"), "another stage's code was"
    now["toy-train"]["params"]["models/toy/code.json"]["train"] = "9999"
    assert caused_here(LOCK, now, "toy-evaluate")
    edit(now, "toy-evaluate", "deps", "models/toy/model", "d")
    assert not caused_here(LOCK, now, "toy-evaluate"), "the training wrote the same model as before"
    now["toy-evaluate"]["params"]["models/toy/code.json"]["evaluate"] = "9999"
    assert caused_here(LOCK, now, "toy-evaluate")


def test_a_recipe_is_a_cause_where_what_it_comes_to_changed():
    now = copy.deepcopy(LOCK)
    now["recipe@toy"]["params"]["params.yaml"]["toy.recipe"] = "large"
    assert not caused_here(LOCK, now, "toy-train"), "it comes to the same values"
    edit(now, "toy-train", "deps", "models/toy/recipe.yaml", "z")
    assert caused_here(LOCK, now, "toy-train")


def test_who_reads_what_a_stage_writes():
    assert readers_of(LOCK, "toy-train") == ["toy-evaluate"]
    assert readers_of(LOCK, "recipe@toy") == ["toy-train", "toy-evaluate"]
    assert readers_of(LOCK, "toy-evaluate") == []
