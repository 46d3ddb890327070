"""Reports of changes, in a repository of two commits with the files that Reprise's own would have."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reprise.core.command import typer_app
from reprise.core.errors import InputError
from reprise.tools import current, pull_request, verify
from reprise.tools.headlines import HEADLINES, compare, read_headlines
from reprise.tools.repository import base_of, file_at, look_up

HEADLINE = "{task: toy, title: F1, file: metrics/toy.json, key: test.f1, better: %s, tolerance: 0.05}"
PIPELINE = """
stages:
  score:
    cmd: python score.py
    deps: [src/toy]
    params: [rate]
    metrics: [{metrics/toy.json: {cache: false}}]
"""


def git(*arguments: str) -> None:
    names = ["-c", "user.name=test", "-c", "user.email=test"]
    subprocess.run(["git", *names, *arguments], check=True, capture_output=True)


def run(command, *arguments):
    return CliRunner().invoke(typer_app(command.main), arguments)


def write(value: float, rate: float) -> None:
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": value}}))
    Path("params.yaml").write_text(f"rate: {rate}\n")
    Path("src/toy/score.py").write_text(f"# {rate}\n")
    subprocess.run(["dvc", "commit", "--force", "--quiet"], check=True)


@pytest.fixture
def two_commits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "--quiet", "--initial-branch", "main")
    subprocess.run(["dvc", "init", "--quiet"], check=True)
    for folder in ("metrics", "src/toy"):
        Path(folder).mkdir(parents=True)
    HEADLINES.write_text(f"- {HEADLINE % 'higher'}\n- {(HEADLINE % 'lower').replace('title: F1', 'title: loss')}\n")
    Path("dvc.yaml").write_text(PIPELINE)
    write(0.5, 1.0)
    git("add", "-A")
    git("commit", "--quiet", "-m", "base")
    git("checkout", "--quiet", "-b", "change")
    write(0.6, 2.0)
    git("commit", "--quiet", "-am", "change")


def test_the_report_says_what_changed_and_which_way(two_commits):
    done = run(pull_request, "main")
    assert done.exit_code == 0
    printed = done.stdout
    assert r"| toy | F1 (higher is better) | 0.5000 | 0.6000 | +0.1000 | 🟢 better |" in printed
    assert r"| toy | loss (lower is better) | 0.5000 | 0.6000 | +0.1000 | 🔴 worse |" in printed
    assert r"| `score` | code (src/toy), parameters | 1 outputs differ |" in printed
    assert "| `params.yaml` | `rate` | `1` | `2` |" in printed
    assert "| `metrics/toy.json` | `test.f1` | `0.5` | `0.6` |" in printed
    assert printed.index("### Headlines") < printed.index("### Stages") < printed.index("### All metrics")


def test_without_changes_it_says_so(two_commits):
    done = run(pull_request, "HEAD")
    assert done.exit_code == 0
    assert "No stage was computed anew." in done.stdout
    assert "No change of parameters." in done.stdout
    assert "No change of metrics." in done.stdout


def test_names_of_a_report_are_text(two_commits):
    evil = "<img src=x onerror=alert(1)> | @everyone #1"
    HEADLINES.write_text(HEADLINES.read_text().replace("title: F1", f"title: '{evil}'"))
    Path("metrics/toy.json").write_text(json.dumps({"test": {"f1": 0.6}, evil: 1}))
    printed = run(pull_request, "main").stdout
    assert "<img" not in printed.replace("`<img", ""), "HTML only as code"
    assert "@everyone" not in printed.replace("`<img src=x onerror=alert(1)> \\| @everyone #1`", "")
    rows = [line for line in printed.splitlines() if line.startswith("| `metrics/toy.json`")]
    assert len(rows) == 2
    assert all(row.replace(r"\|", "").count("|") == 5 for row in rows), "a name adds no cell"


def test_a_stale_lock_is_said_first_and_fails(two_commits):
    assert run(current).exit_code == 0
    Path("src/toy/score.py").write_text("# newer\n")
    done = run(pull_request, "main")
    assert done.exit_code == 1
    assert "`dvc.lock` is behind the code: `score` would run" in done.stdout
    done = run(current)
    assert done.exit_code == 1
    assert "dvc.lock is behind: score would run" in done.stdout


def test_an_unknown_base_is_one_line(two_commits):
    done = run(pull_request, "nowhere")
    assert done.exit_code == 1
    assert done.stderr == "nowhere: no such commit, branch or tag\n"
    with pytest.raises(InputError, match="nowhere"):
        base_of("nowhere")


def test_the_base_is_where_the_branches_part(two_commits):
    git("checkout", "--quiet", "main")
    part = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    Path("other").write_text("x")
    git("add", "-A")
    git("commit", "--quiet", "-m", "main went on")
    git("checkout", "--quiet", "change")
    assert base_of("main") == part
    assert look_up(file_at("main", Path("metrics/toy.json")), "test.f1") == 0.5
    assert look_up(file_at("main", Path("nothing.json")), "test.f1") is None


def test_verification_allows_what_is_tolerated(two_commits, capsys):
    figures = Path("metrics/toy.json")
    assert verify.report(Path())
    assert "score                           1 of 1" in capsys.readouterr().out
    figures.write_text(json.dumps({"test": {"f1": 0.64}}))
    assert verify.report(Path())
    figures.write_text(json.dumps({"test": {"f1": 0.66}}))
    assert not verify.report(Path())
    assert "DIFFERS" in capsys.readouterr().out
    figures.unlink()
    assert not verify.report(Path()), "a figure that is gone does not agree"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"headlines\.yaml: expected a list"),
        ("- {task: toy}", r"headlines\.yaml: entry 1.*missing"),
        (f"- {HEADLINE % 'bigger'}", r"headlines\.yaml: entry 1.*better"),
    ],
)
def test_a_wrong_list_of_headlines_is_named(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    HEADLINES.write_text(text)
    with pytest.raises(InputError, match=message):
        read_headlines()


def test_verdicts(two_commits):
    higher, lower = compare("main")
    assert (higher.verdict, lower.verdict) == ("better", "worse")
    assert higher.difference == pytest.approx(0.1)
    Path("metrics/toy.json").unlink()
    assert compare("main")[0].verdict == "gone"


def test_stages_whose_data_is_not_here_are_behind_as_well(two_commits):
    with Path("dvc.yaml").open("a") as file:
        file.write("  make: {cmd: python make.py, params: [rate], outs: [data]}\n")
        file.write(
            "  use: {cmd: python use.py, deps: [data], outs: [model]}\n  last: {cmd: python last.py, deps: [model]}\n"
        )
    done = run(current)
    assert done.exit_code == 1
    assert done.stdout.startswith("dvc.lock is behind: make, ")
    assert all(f" {name}" in done.stdout for name in ("use", "last"))
    assert "score" not in done.stdout


def test_a_pipeline_that_cannot_be_read_is_one_line(two_commits):
    Path("dvc.yaml").write_text("stages: [")
    done = run(current)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
