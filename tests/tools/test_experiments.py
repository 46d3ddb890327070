"""The list of experiments: which are shown, with what marks, and that it fits."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reprise.core.command import typer_app
from reprise.tools import experiments
from reprise.tools.experiments import Experiment, cut, list_experiments, table
from reprise.tools.headlines import HEADLINES, Change, Headline

HEADLINE = "{task: toy, title: F1, short: F1, file: metrics/toy.json, key: f1, better: higher, tolerance: 0.05}"
SCRIPT = """
import json
from ruamel.yaml import YAML
rate = YAML(typ="safe").load(open("params.yaml"))["train"]["rate"]
if rate > 1:
    raise SystemExit("too fast")
json.dump({"f1": rate, "f1_ci95": [rate - 0.1, rate + 0.1]}, open("metrics/toy.json", "w"))
"""
PIPELINE = """
stages:
  score:
    cmd: python score.py
    params: [train]
    metrics: [{metrics/toy.json: {cache: false}}]
"""


def record(name, state, params, error=None):
    data = {"params": {"params.yaml": {"data": params}, "models/toy/recipe.yaml": {"data": {"x": params}}}}
    own = {"rev": name * 8, "name": name, "data": data, "error": error}
    return {"revs": [own], "executor": None if state is None else {"state": state}, "name": name}


def test_failed_experiments_are_told_from_others_by_their_state():
    baseline = {"rev": "b" * 40, "data": {"params": {"params.yaml": {"data": {"train": {"lr": 1, "epochs": 2}}}}}}
    same, other = {"train": {"lr": 1, "epochs": 2}}, {"train": {"lr": 3, "epochs": 2}, "new": None}
    records = [
        record("a", None, other),
        record("b", "failed", other),
        record("c", "Queued", same),
        record("d", None, other, error={"msg": "Experiment run failed"}),
    ]
    found = list_experiments([{"rev": "workspace", "experiments": None}, {**baseline, "experiments": records}])
    assert [(one.name, one.state) for one in found] == [
        ("a", "success"),
        ("b", "failed"),
        ("c", "queued"),
        ("d", "failed"),
    ]
    assert found[0].params == {"train.lr": 3}, "null is what an absent key says as well"
    assert found[2].params == {}


def changes(*verdicts):
    headline = Headline(task="t", title="F1", short="test-F1", file=Path("f"), key="k", better="higher", tolerance=0.1)
    return [Change(headline, 0.5, 0.123456, verdict) for verdict in verdicts]


@pytest.mark.parametrize("columns", [0, 1, 5, 12, 30])
def test_every_line_fits_and_every_experiment_has_one(columns):
    params = {f"documents.recipes.scratch.{name}": 0.123 for name in ("learning_rate", "weight_decay", "dropout")}
    found = [Experiment(f"{'long-name-' * n}{n}", "success", "b", str(n), params) for n in range(4)]
    found.append(Experiment("broken", "failed", "b", "5", {"train.lr": "\x1b[31m\n"}))
    lines = table(found, {str(n): changes(*["better", "same"] * columns) for n in range(4)})
    assert len(lines) in (6, 7)
    assert max(map(len, map(plain, lines))) <= 120
    assert all(line.isprintable() for line in map(plain, lines))
    assert "failed" in lines[5]
    assert len(lines) == 6 or "no room" in lines[6]


def plain(line):
    return re.sub(r"\x1b\[\d*m", "", line)


def test_marks_say_what_became_of_a_figure():
    found = [Experiment("one", "success", "b", "c", {"train.lr": 0.0005})]
    (_, line) = table(found, {"c": changes("better", "worse", "within noise", "computed elsewhere", "changed", "same")})
    assert plain(line).split() == ["one", "train.lr=0.0005", "0.123+", "0.123-", "0.123~", "0.123!", "0.123*"]


def test_cut():
    assert [cut("abcd", width) for width in (5, 4, 3)] == ["abcd", "abcd", "ab…"]


@pytest.mark.slow
def test_a_list_of_dvcs_own_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "test")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "test")

    def call(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout

    call("git", "init", "--quiet")
    call("dvc", "init", "--quiet")
    Path("metrics").mkdir()
    HEADLINES.write_text(f"- {HEADLINE}\n")
    Path("dvc.yaml").write_text(PIPELINE)
    Path("score.py").write_text(SCRIPT)
    Path("params.yaml").write_text("train:\n  rate: 0.5\n")
    call("dvc", "repro", "--quiet")
    call("git", "add", "-A")
    call("git", "commit", "--quiet", "-m", "first")
    run = CliRunner()
    assert "no experiments of this commit (--all: of every commit); " in run.invoke(typer_app(experiments.main)).stdout
    assert "no experiments; " in run.invoke(typer_app(experiments.main), ["--all"]).stdout
    call("dvc", "exp", "run", "--quiet", "--temp", "--name", "higher", "--set-param", "train.rate=0.9")
    call("dvc", "exp", "run", "--quiet", "--temp", "--name", "similar", "--set-param", "train.rate=0.55")
    call("dvc", "exp", "run", "--quiet", "--queue", "--name", "waits", "--set-param", "train.rate=0.7")
    done = run.invoke(typer_app(experiments.main))
    assert done.exit_code == 0, done.output
    header, *lines = (line.split() for line in done.stdout.splitlines())
    assert header == ["experiment", "parameters", "F1"]
    assert sorted(lines) == [
        ["higher", "train.rate=0.9", "0.900+"],
        ["similar", "train.rate=0.55", "0.550~"],
        ["waits", "train.rate=0.7", "queued"],
    ]
    assert json.loads(Path("metrics/toy.json").read_text())["f1"] == 0.5
