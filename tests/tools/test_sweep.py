import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from pydantic import ValidationError
from typer.testing import CliRunner

from reprise.core.command import typer_app
from reprise.core.errors import InputError
from reprise.core.params import load_params, read_yaml
from reprise.tools import sweep
from reprise.tools.sweep import Dimension, SweepParams, Trial, check_effective, draw_points, rank, rungs, short_names
from tests.conftest import ROOT

SECTION = SweepParams(
    stages=["train"],
    metric="m.json:x",
    direction="minimise",
    epochs="e",
    halvings=0,
    space={"x": Dimension(choice=[1])},
)


@pytest.mark.parametrize(
    ("dimension", "low", "middle", "high"),
    [
        ({"log_uniform": (1e-4, 1e-2)}, 1e-4, 1e-3, 1e-2),
        ({"uniform": (-1.0, 3.0)}, -1.0, 1.0, 3.0),
        ({"integer": (0, 3)}, 0, 2, 3),
        ({"choice": ["a", "b", "c"]}, "a", "b", "c"),
    ],
)
def test_places_become_values(dimension, low, middle, high):
    values = [Dimension(**dimension).value(place) for place in (0.0, 0.5, 1 - 1e-12)]
    assert values == pytest.approx([low, middle, high]) if not isinstance(low, str) else values == [low, middle, high]


@pytest.mark.parametrize(
    "dimension",
    [
        {},
        {"uniform": (0.0, 1.0), "choice": [1]},
        {"uniform": (1.0, 1.0)},
        {"log_uniform": (0.0, 1.0)},
        {"choice": []},
        {"normal": (0, 1)},
    ],
)
def test_what_is_no_range_is_refused(dimension):
    with pytest.raises(ValidationError):
        Dimension(**dimension)


def test_points_are_spread_evenly_and_more_trials_keep_the_first_ones():
    space = {"a.lr": Dimension(log_uniform=(1e-3, 1e-1)), "a.dropout": Dimension(uniform=(0, 1))}
    points = draw_points(space, 16, seed=3)
    assert draw_points(space, 5, seed=3) == points[:5]
    assert draw_points(space, 16, seed=4) != points
    decades = np.array([math.log10(point["a.lr"]) + 3 for point in points]) / 2
    assert np.bincount((decades * 16).astype(int), minlength=16).tolist() == [1] * 16, "one in each sixteenth"


def test_ranks_follow_the_direction():
    trials = [Trial(number, {}, 1, str(number)) for number in range(3)]
    scores = {"0": 0.5, "1": 0.1, "2": 0.9}
    assert [trial.number for trial in rank(trials, scores, "minimise")] == [1, 0, 2]
    assert [trial.number for trial in rank(trials, scores, "maximise")] == [2, 0, 1]


@pytest.mark.parametrize(
    ("full", "halvings", "epochs"),
    [(8, 2, [2, 4, 8]), (22, 2, [6, 11, 22]), (30, 0, [30]), (2, 2, [1, 2]), (3, 3, [1, 2, 3]), (1, 4, [1])],
)
def test_epochs_double_from_rung_to_rung_and_no_rung_repeats(full, halvings, epochs):
    assert rungs(full, halvings) == epochs


def toy_sweep(folder: Path, monkeypatch, epochs: object) -> list[str]:
    """A sweep whose trials are only listed: their score is the value that is searched."""
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text(f"model: {{x: 0, epochs: {epochs}}}\n")
    Path("sweeps.yaml").write_text(
        "toy: {stages: [train], metric: 'm.json:loss', direction: minimise, epochs: model.epochs, halvings: 2, "
        "space: {model.x: {uniform: [0.0, 1.0]}}}\n"
    )
    ran: list[str] = []

    def run_trial(trial: Trial, section: SweepParams) -> float:
        ran.append(trial.name)
        return float(trial.values["model.x"])

    monkeypatch.setattr(sweep, "fingerprint", lambda *_: "abcdef")
    monkeypatch.setattr(sweep, "run_trial", run_trial)
    return ran


def test_a_sweep_of_few_epochs_runs_and_ranks_each_trial_once(tmp_path, monkeypatch, capsys):
    ran = toy_sweep(tmp_path, monkeypatch, 2)
    assert sweep.sweep("toy", trials=4, jobs=1, seed=0, apply=False), "no trial failed"
    points = [point["model.x"] for point in draw_points({"model.x": Dimension(uniform=(0, 1))}, 4, 0)]
    better = sorted(np.argsort(points)[:2].tolist())
    names = [f"toy-abcdef-{n:03d}-1e" for n in range(4)] + [f"toy-abcdef-{n:03d}-2e" for n in better]
    assert ran == names
    rows = [line.split(",") for line in Path(".logs/sweep-toy.csv").read_text().splitlines()[1:]]
    assert [row[1] for row in rows] == ["2"] * 2 + ["1"] * 4
    assert sorted(row[-1] for row in rows) == sorted(names)
    shown = capsys.readouterr().out
    assert "rung 2 of 2: 2 trials of 2 epochs" in shown
    assert "6 trials, 0 failed" in shown
    assert f"the best: dvc exp apply toy-abcdef-{int(np.argmin(points)):03d}-2e" in shown


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "many"])
def test_epochs_that_are_no_number_of_at_least_one_are_refused(tmp_path, monkeypatch, epochs):
    ran = toy_sweep(tmp_path, monkeypatch, epochs)
    with pytest.raises(InputError, match=r"^params\.yaml: model\.epochs: .+; sweeps\.yaml: toy\.epochs names a whole"):
        sweep.sweep("toy", trials=4, jobs=1, seed=0, apply=False)
    assert ran == []


def test_a_space_does_not_hold_what_halving_sets(tmp_path, monkeypatch):
    ran = toy_sweep(tmp_path, monkeypatch, 8)
    Path("sweeps.yaml").write_text(Path("sweeps.yaml").read_text().replace("model.x:", "model.epochs:"))
    with pytest.raises(InputError, match=r"^sweeps\.yaml: toy: space: model\.epochs is what `epochs` sets"):
        sweep.sweep("toy", trials=4, jobs=1, seed=0, apply=False)
    assert ran == []


def test_names_are_short_where_they_stay_apart():
    assert short_names({"a.lr": 1, "b.dropout": 2}) == {"lr": 1, "dropout": 2}
    assert short_names({"a.lr": 1, "b.lr": 2}) == {"a.lr": 1, "b.lr": 2}


PARAMS = """
train: {lr: null, epochs: 3}
documents:
  recipe: quick
  train: {lr: 1, epochs: 2, dropout: 0, model: x}
  recipes:
    quick: {dropout: 0.1}
    scratch: {lr: 2}
"""


@pytest.mark.parametrize(
    "name", ["documents.train.lr", "documents.recipes.quick.dropout", "train.lr", "documents.recipe"]
)
def test_parameters_that_trials_read_are_searched(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    check_effective(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "documents.recipes.scratch.lr",
            "documents.recipe is quick, so no trial would read it; choose scratch, or search",
        ),
        ("documents.train.dropout", "documents.recipes.quick.dropout overrides it"),
        ("documents.train.epochs", "train.epochs overrides it"),
        ("documents.recipes.quick.lr", "documents.recipes.quick.lr: missing"),
        ("documents.train.nothing", "documents.train.nothing: missing"),
    ],
)
def test_a_search_that_would_change_nothing_is_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    with pytest.raises(InputError, match=message):
        check_effective(name)


def test_the_spaces_of_sweeps_yaml_are_effective(monkeypatch):
    monkeypatch.chdir(ROOT)
    for task in read_yaml(sweep.SWEEPS_FILE):
        section = load_params(task, SweepParams, sweep.SWEEPS_FILE)
        for name in (section.epochs, *section.space):
            check_effective(name)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_not_counted(monkeypatch, capsys, score):
    """An experiment that is found from before, and one that has just run."""
    monkeypatch.setattr(sweep, "read_score", lambda *_: score)
    assert sweep.run_trials([Trial(0, {"x": 1}, 1, "toy")], SECTION, jobs=1) == {}
    assert f"toy failed ({{'x': 1}}): its score is {score}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "value", ["timm/resnet18", "data/é", "a\\b", "it's", "null", "1e-05", 1e-05, 3, True, None, [0.5, 1], ["é"]]
)
def test_a_trial_is_given_the_value_that_was_drawn(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "read_score", lambda *_: None)
    commands: list[list[str]] = []

    def run_logged(name: str, arguments: list[str], log: Path) -> int:
        commands.append(arguments)
        log.touch()
        return 1

    monkeypatch.setattr(sweep, "run_logged", run_logged)
    sweep.LOGS.mkdir()
    assert sweep.run_trial(Trial(0, {"x": value}, 1, "toy"), SECTION) is None
    Path("params.yaml").write_text("e: 0\nx: 0\n")
    apply_overrides("params.yaml", [after for word, after in pairwise(commands[0]) if word == "--set-param"])
    assert load_yaml("params.yaml") == {"e": 1, "x": value}


def commit_notes() -> None:
    """Make a repository here, whose one file is not UTF-8."""
    Path("notes.txt").write_bytes(b"caf\xe9\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "notes"]):
        subprocess.run(["git", *arguments], check=True)


def test_a_shallow_clone_is_refused_before_any_trial(tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    commit_notes()
    Path("notes.txt").write_text("more")
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "more"], check=True)
    url, shallow = (tmp_path / "whole").as_uri(), tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth", "1", url, str(shallow)], check=True)
    monkeypatch.chdir(shallow)
    with pytest.raises(InputError, match="this clone is shallow: git fetch --unshallow"):
        sweep.fingerprint(SECTION, 0)


def test_a_sweep_takes_note_of_files_in_any_encoding(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commit_notes()
    before = sweep.fingerprint(SECTION, 0)
    Path("notes.txt").write_bytes(b"th\xe9\n")
    assert sweep.fingerprint(SECTION, 0) != before


def test_a_seed_below_zero_is_refused():
    done = CliRunner().invoke(typer_app(sweep.main), ["toy", "--seed", "-1"])
    assert done.exit_code == 2
    assert "Input should be greater than or equal to 0" in done.stderr


def test_a_trial_shows_how_far_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = ["Running stage 'train':", "epoch 1: valid_loss 0.5", "a line of no interest", "\x1b[31mepoch 2"]
    program = f"print({chr(10).join(lines)!r})"
    monkeypatch.setattr(sweep, "dvc_command", lambda *_: [sys.executable, "-c", program])
    assert sweep.run_logged("toy", [], Path(".logs/toy.log")) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.partition(" s: ")[2] for line in shown] == [lines[0], lines[1], "\\x1b[31mepoch 2"]
    assert Path(".logs/toy.log").read_text().splitlines() == lines
